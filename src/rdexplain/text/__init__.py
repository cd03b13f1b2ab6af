"""Small helpers for text: names, times, versions, what is missing and how to get it."""
