"""Rules: loading, conditions, and the programs compiled from them."""
