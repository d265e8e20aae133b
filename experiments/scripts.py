"""What scripts of experiments share: how they are called, and how raw numbers are read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nas.errors import UserError
from nas.files import read_csv

Row = Mapping[str, str]


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Calls the main function of a ``run.py`` with the command's settings."""
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command continues from here")


def summarise(main: Callable[[Path, Path], None], usage: str | None) -> None:
    """Calls the main function of a ``summary.py`` with the command's two paths."""
    if len(sys.argv) != 3:
        sys.exit(usage)
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except UserError as error:
        sys.exit(f"error: {error}")


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of raw numbers that a ``run.py`` writes.

    Raises:
        UserError: If the file is damaged, or there is none or no row yet.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist yet; run.py of this folder makes it")
    rows = read_csv(path)
    if not rows:
        raise UserError(f"{path} has no row yet; run.py of this folder goes on where it was interrupted")
    return rows
