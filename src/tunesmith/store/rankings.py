"""The rankings of models that were made here, a JSON file each, for one set of rows and task."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tunesmith.store.atomic import write_file

SHOWN_DIGITS = 16


class Rankings:
    """The rankings in one folder."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which is made when the first ranking is kept."""
        self._folder = folder

    def keep(self, ranking: Mapping[str, Any]) -> Path:
        """Write a ranking in the place of the last one of the same rows and task."""
        name = f"{ranking['data_sha256'][:SHOWN_DIGITS]}-{ranking['task']}.json"
        text = json.dumps(ranking, ensure_ascii=False, indent=1) + "\n"
        write_file(self._folder / name, text)
        return self._folder / name

    def of(self, model: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Yield each ranking that has a model of this id, and its own line there.

        What is no ranking in the folder is passed over.
        """
        for path in sorted(self._folder.glob("*.json")):
            try:
                ranking = json.loads(path.read_text(encoding="utf-8"))
                lines = [line for line in ranking["ranking"] if line["id"] == model]
            except (OSError, ValueError, KeyError, TypeError):
                continue
            yield from ((ranking, line) for line in lines)
