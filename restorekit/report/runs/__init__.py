"""Runs from Python that end in a page: the commands as functions."""
