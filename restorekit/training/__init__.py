"""From data to a model file."""
