"""Configuration of the documentation site; every page works from the disk, without a network."""

from importlib.metadata import version as installed_version

project = "restorekit"
author = "the restorekit developers"
copyright = "the restorekit developers; MIT licence"
version = release = installed_version("restorekit")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_click",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples/README.rst", "examples/*.py"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "literal"  # docstrings put names between single backticks
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
maximum_signature_line_length = 88
numpydoc_show_class_members = False  # autodoc lists them already
numpydoc_class_members_toctree = False

html_theme = "pydata_sphinx_theme"
html_title = "restorekit"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {  # no icon, badge or advertisement from a network
    "navbar_end": ["search-button", "theme-switcher"],
    "navbar_persistent": [],
    "primary_sidebar_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 8,
}
html_sidebars = {"index": [], "getting_started": []}

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "notebook_extensions": set(),
    "capture_repr": (),  # the exit code of a command says nothing here
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 3600,
}
