"""Contracts, value types, random numbers, distributions, configuration, errors and plugins."""
