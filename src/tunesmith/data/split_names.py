"""What train, valid and test may be called: a file of a folder, or a key of a JSON file."""

from __future__ import annotations

SPLIT_NAMES = {
    "train": ("train",),
    "valid": ("valid", "validation", "dev", "val"),
    "test": ("test",),
}


def names_split(name: str) -> bool:
    """Tell whether a name, in lower or upper case, is one of those of a split.

    >>> [name for name in ("train", "VAL", "oos_val") if names_split(name)]
    ['train', 'VAL']
    """
    return any(name.lower() in names for names in SPLIT_NAMES.values())
