"""Models that are known before they are here: the catalogue, and the arithmetic of their sizes."""

from tunesmith.model.known.catalogue import (
    able_entries,
    find_entry,
    nearest_name,
    nearest_names,
    own_file,
    read_catalogue,
    require_able,
    require_entry,
    write_entry,
)
from tunesmith.model.known.entry import Entry, FolderSource, HubSource, PackageSource

__all__ = [
    "Entry",
    "FolderSource",
    "HubSource",
    "PackageSource",
    "able_entries",
    "find_entry",
    "nearest_name",
    "nearest_names",
    "own_file",
    "read_catalogue",
    "require_able",
    "require_entry",
    "write_entry",
]
