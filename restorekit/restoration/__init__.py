"""From an observation, an array or a folder to a restoration."""
