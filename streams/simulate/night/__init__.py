"""A night of alerts, played through the real alert stage on a simulated clock: who is told what, when and why."""

from streams.simulate.night.play import play
from streams.simulate.night.tale import Kind, Line, Tale

__all__ = ["Kind", "Line", "Tale", "play"]
