"""A training as a page: curves, previews over time, what its latents do, and its card."""

from restorekit.report.pages.trained.page import page_of

__all__ = ["page_of"]
