"""Restore a folder of degraded images; none is lost, half-written or restored twice."""

from restorekit.restoration.folder.batching import Group, tasks
from restorekit.restoration.folder.journal import Journal
from restorekit.restoration.folder.options import Options, Setup, open_search
from restorekit.restoration.folder.run import made_otherwise, planned, restore_folder

__all__ = [
    "Group",
    "Journal",
    "Options",
    "Setup",
    "made_otherwise",
    "open_search",
    "planned",
    "restore_folder",
    "tasks",
]
