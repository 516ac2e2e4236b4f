"""What restorekit itself registers, whatever plugins are installed beside."""

from restorekit.core.plugins import registry


def built_in(kind):
    """Classes of one kind that are restorekit's own, by name."""
    entries = registry.installed().entries(kind)
    return {name: entry.value for name, entry in entries.items() if entry.plugin.package == "restorekit"}
