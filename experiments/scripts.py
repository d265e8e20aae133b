"""What scripts of experiments share: how they are called, and how raw numbers are read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nas.cli.hydra.command import INTERRUPTED
from nas.cli.hydra.errors import is_fault, make_user_error
from nas.cli.screen import USER_ERROR, error
from nas.errors import UserError
from nas.files import read_csv

Row = Mapping[str, str]


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Calls the main function of a ``run.py`` with the command's settings; a user's mistake exits with 2."""
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        error("interrupted; the same command resumes from here", prefix="")
        sys.exit(INTERRUPTED)
    except Exception as fault:
        if not is_fault(fault):
            raise  # a bug keeps its traceback
        error(str(make_user_error(fault, overrides=sys.argv[1:])))
        sys.exit(USER_ERROR)


def summarise(main: Callable[[Path, Path], None], usage: str | None) -> None:
    """Calls the main function of a ``summary.py`` with the command's two paths."""
    if len(sys.argv) != 3:
        error(str(usage), prefix="")
        sys.exit(USER_ERROR)
    run(lambda arguments: main(*map(Path, arguments)))


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
