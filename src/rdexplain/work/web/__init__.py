"""The page: one network and its explanations, in a browser on this machine."""
