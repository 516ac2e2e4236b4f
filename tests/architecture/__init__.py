"""Figures of the architecture, read from the source tree: ``python -m tests.architecture``."""
