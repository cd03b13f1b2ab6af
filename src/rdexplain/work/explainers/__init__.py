"""The training of explainers."""
