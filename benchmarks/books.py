"""Five English books and a decoder made of them: bits a byte on their tails, beside `xz -9`.

Usage: TUNESMITH_DATA=… python benchmarks/books.py [--epochs 14]
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from record import data_folder, measure_fields, tell

import tunesmith

_BOOK = re.compile(r"\*\*\* ?START OF.*?\*\*\*(.*)\*\*\* ?END OF", re.DOTALL)
"""What stands between the header and the licence."""


def main() -> None:
    """Write the books, train, tell every measure on the last twentieth of each book."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=14)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _write_books(Path(folder, "books"))
        made = tunesmith.pretrain(
            f"{folder}/books",
            objective="causal",
            size="mini",
            tokenizer={"size": 2000},
            dropout=0.2,
            training={"epochs": wanted.epochs, "learning_rate": 2e-3},
            out=f"{folder}/run",
        )
    for name, measure in made.measures.items():
        tell(
            "books",
            epochs=wanted.epochs,
            parameters=made.report["model"]["parameters"],
            measure=name,
            **measure_fields(measure),
            training_seconds=round(made.seconds),
        )
    tell("books", measure="xz -9, bits a byte", value=made.report["xz_bits_per_byte"])


def _write_books(folder: Path) -> None:
    folder.mkdir()
    for path in sorted(data_folder("gutenberg_en").glob("pg*.txt")):
        found = _BOOK.search(path.read_text("utf-8-sig"))
        if found is None:
            raise ValueError(f"{path} must have the lines that begin and end a book")
        (folder / path.name).write_text(found[1].strip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
