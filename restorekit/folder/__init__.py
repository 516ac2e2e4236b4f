"""A folder of damaged images -> a folder of restored ones: nothing lost, nothing half-written, nothing done twice."""

from restorekit.folder.groups import Group, tasks
from restorekit.folder.run import made_otherwise, planned, restore_folder
from restorekit.folder.setup import Options, Setup

__all__ = ["Group", "Options", "Setup", "made_otherwise", "planned", "restore_folder", "tasks"]
