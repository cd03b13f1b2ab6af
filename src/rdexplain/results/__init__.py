"""What a method gives: explanations and heatmaps, their files, and how much of them lies where."""
