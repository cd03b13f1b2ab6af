"""Photos in: files, folders and samples, as float tensors in [0, 1]."""
