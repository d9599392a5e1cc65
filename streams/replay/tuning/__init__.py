"""Threshold sweeps: what a rule would have said with other settings, for all of them in one pass over the events."""
