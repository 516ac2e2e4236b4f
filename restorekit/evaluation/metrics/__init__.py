"""Metrics of restored images and of their uncertainty."""
