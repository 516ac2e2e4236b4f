"""``python -m restorekit``."""

from restorekit.cli import main

main()
