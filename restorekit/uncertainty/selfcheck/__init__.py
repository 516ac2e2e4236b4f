"""How good a restoration is, without the truth: estimated by restoring the image again, changed in known ways."""

from restorekit.uncertainty.selfcheck.check import Part, self_check, windows
from restorekit.uncertainty.selfcheck.residual import Residual, removed
from restorekit.uncertainty.selfcheck.result import SelfCheck

__all__ = ["Part", "Residual", "SelfCheck", "removed", "self_check", "windows"]
