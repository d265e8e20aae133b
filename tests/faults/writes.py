"""Something happens when a command opens its n-th file for writing.

Python's audit hook sees each file that is opened: new files of a command count by themselves.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path


class Writes:
    """Counts the files below a folder that are opened for writing, and acts at the n-th."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self._at, self._act, self._watches = 0, lambda: None, False
        sys.addaudithook(self._note)

    def watch(self, *, at: int, act: Callable[[], None]) -> None:
        """Counts from now on; from write ``at`` on, ``act`` is called before each file is opened."""
        self.count, self._at, self._act, self._watches = 0, at, act, True

    def stop(self) -> None:
        """Counts no longer."""
        self._watches = False

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._watches or event != "open" or not self._is_write(*arguments):
            return
        self.count += 1
        if 0 < self._at <= self.count:
            self._act()

    def _is_write(self, path: object, mode: object, flags: object) -> bool:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False
        writes = (
            bool(set(str(mode)) & set("wax+")) if mode else bool(int(str(flags)) & (os.O_WRONLY | os.O_RDWR))
        )
        return writes and Path(os.fsdecode(path)).absolute().is_relative_to(self.folder)
