"""State of one partition: plain values in memory, one changelog record per dirty key, one ``__position``."""
