"""Histories as CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from nas.files import atomic, fields_of
from nas.files import read_csv as read_rows


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Writes rows atomically, with the columns of all rows. Missing values are empty.

    Without rows, the file is empty.
    """
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        if rows:
            writer = csv.DictWriter(
                stream, fieldnames=list(dict.fromkeys(name for row in rows for name in row))
            )
            writer.writeheader()
            writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, float]]:
    """Reads rows of numbers that ``write_csv`` wrote, without their empty cells.

    Raises:
        UserError: If the file does not exist or is damaged.
    """
    remedy = "delete it, and what it describes is made again"
    rows = read_rows(path, remedy=remedy)
    with fields_of(path, remedy=remedy):
        return [{name: float(cell) for name, cell in row.items() if cell != ""} for row in rows]
