"""Connectors that tell people and systems about an alert: they read ``notifications``."""
