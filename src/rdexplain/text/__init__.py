"""Small helpers for text: names, times, versions, optional packages and how to install them."""
