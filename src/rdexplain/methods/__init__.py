"""The methods, each a composition of a representation, an objective and presets."""
