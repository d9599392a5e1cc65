"""Looking back: why an alert is there, how a key stood, what was evaluated."""
