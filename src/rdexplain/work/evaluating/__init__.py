"""The work of `evaluate`: photos or explanations are distributed to workers, and their results merged."""
