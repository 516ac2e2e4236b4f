"""How good a restoration is, without the truth: estimated by restoring the image again, changed in known ways."""

from restorekit.selfcheck.check import self_check
from restorekit.selfcheck.checked import SelfCheck
from restorekit.selfcheck.crops import windows
from restorekit.selfcheck.parts import Part
from restorekit.selfcheck.residual import Residual, removed

__all__ = ["Part", "Residual", "SelfCheck", "removed", "self_check", "windows"]
