"""The parts of `report`: what is shown of an explanation, where explanations come from, and the pages."""
