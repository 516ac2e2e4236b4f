"""Hooks, the registry of plugins, and the boundary to third-party code."""
