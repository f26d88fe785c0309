"""A tokenizer read from its file alone, without transformers: for answering at once.

It gives the ids and offsets that the transformers tokenizer of the same folder gives; a test holds
it to that, and so does the parity gate of every export.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tunesmith.core.errors import DataError

TOKENIZER_FILE = "tokenizer.json"
SETTINGS_FILE = "tokenizer_config.json"


@dataclass(frozen=True, slots=True)
class FileTokenizer:
    """`tokenizer.json` at work. `pad_token_id` is the id that fills a batch.

    `unk_token_id` stands for what has no id of its own; None where everything has one.
    """

    tokenizer: Any
    pad_token_id: int
    unk_token_id: int | None = None

    def encode(
        self, texts: Sequence[str], *, offsets: bool = False, special: bool = False
    ) -> tuple[list[list[int]], list[list[tuple[int, int]]]]:
        """Return the ids of each text and, where asked for, the (start, end) characters of each.

        `special` puts the special tokens around them.
        """
        if not offsets:
            encoded = self.tokenizer.encode_batch_fast(texts, add_special_tokens=special)
            return [item.ids for item in encoded], []
        encoded = self.tokenizer.encode_batch(texts, add_special_tokens=special)
        return [item.ids for item in encoded], [item.offsets for item in encoded]


def read_tokenizer(folder: Path) -> FileTokenizer:
    """Return the tokenizer of a model folder.

    Raises `DataError` where its files do not make one.
    """
    path = folder / TOKENIZER_FILE
    try:
        tokenizer = Tokenizer.from_file(str(path))
        settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        pad_id = next(
            found
            for name in ("pad_token", "eos_token", "unk_token")
            if (found := tokenizer.token_to_id(_content(settings.get(name)))) is not None
        )
    except Exception as error:  # noqa: BLE001 (the library raises a bare Exception for a bad file)
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise DataError(
            f"a tokenizer must be one that can be read, with a token to fill batches with; "
            f"{path}: {first}",
            hint=f"python -m json.tool {shlex.quote(str(path))}",
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    unknown = settings.get("unk_token")
    return FileTokenizer(tokenizer, pad_id, tokenizer.token_to_id(_content(unknown)))


def _content(token: Any) -> str:
    """Return the text of a special token, which stands bare or in a record."""
    return str(token["content"] if isinstance(token, dict) else token or "")
