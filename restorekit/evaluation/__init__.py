"""Metrics, benchmark runs, comparisons, likelihoods and calibration."""
