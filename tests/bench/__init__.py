"""Benchmarks: figures beside a reference in the same run. Nothing here fails on a clock."""
