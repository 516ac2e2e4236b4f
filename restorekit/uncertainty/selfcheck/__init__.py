"""Estimates of the error of a restoration without the truth, by restoring changed copies of the image."""

from restorekit.uncertainty.selfcheck.check import Part, self_check, windows
from restorekit.uncertainty.selfcheck.residual import Residual, removed
from restorekit.uncertainty.selfcheck.result import SelfCheck

__all__ = ["Part", "Residual", "SelfCheck", "removed", "self_check", "windows"]
