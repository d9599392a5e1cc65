"""Replay: files, topics or the journal through the same pure core as a live worker's."""
