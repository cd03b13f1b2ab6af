"""Results of the methods: explanations and heatmaps, their files, and their share inside a region."""
