"""Backtests: recorded logs through a rule set or several, as one report."""
