"""The work of `evaluate`: photos or explanations, shared out to workers, and what they find put together."""
