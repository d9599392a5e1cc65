"""Connectors that keep alerts: they read ``alerts``, every version."""
