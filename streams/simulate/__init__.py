"""Labelled traffic for the four domains: a background no shipped rule fires on, and attacks that each make one fire.

The same seed, start, duration and rate give the same events, byte for byte.
"""

from streams.simulate.scene import Label, Simulated
from streams.simulate.traffic import generate

__all__ = ["Label", "Simulated", "generate"]
