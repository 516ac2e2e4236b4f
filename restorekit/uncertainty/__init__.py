"""Noise levels, calibrated intervals, self-check and anomaly detection."""
