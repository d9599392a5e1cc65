"""Who is told: receivers, and which of them an alert reaches."""

from streams.route.receivers import Receiver, reached

__all__ = ["Receiver", "reached"]
