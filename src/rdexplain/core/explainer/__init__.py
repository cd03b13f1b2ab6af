"""A network that predicts a mask of wavelets from one look at a photo, in place of an optimisation."""
