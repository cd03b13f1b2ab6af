"""Whole jobs: what a command does, as one Python call."""
