"""Explanations as data sets that other tools read."""
