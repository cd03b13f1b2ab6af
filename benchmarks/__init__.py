"""Benchmarks of rdexplain: ``python -m benchmarks``."""
