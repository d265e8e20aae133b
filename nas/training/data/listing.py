"""Files below a folder, with hidden ones marked. Symlinked folders are followed, but not in cycles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from heapq import heappop, heappush
from pathlib import Path

from nas.errors import UserError

TOOL_FOLDERS = frozenset(
    {
        "#recycle",
        "#snapshot",
        "$RECYCLE.BIN",
        "@eaDir",
        "System Volume Information",
        "__MACOSX",
        "__pycache__",
        "lost+found",
    }
)
"""Folders that operating systems and network drives create: thumbnails, resource forks, deleted files."""

HIDDEN_FILES = "hidden files"


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name belongs to a tool, not to the data set."""
    return name.startswith(".") or name in TOOL_FOLDERS


def entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """The files and folders in a folder, sorted by name.

    Raises:
        UserError: If the folder cannot be read.
    """
    try:
        with os.scandir(folder) as scan:
            return sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"folder {folder} cannot be read ({error.strerror}); check its permissions") from None


def walk(folder: str | Path, *, hidden: str = "") -> Iterator[tuple[str, str]]:
    """All files below a folder, those in symlinked folders included.

    Each folder is entered once, whatever the number of links to it, so a link to a parent ends the walk. A
    folder comes before links to it, and visible folders before hidden ones.

    Args:
        folder: The folder.
        hidden: The hidden folder that is, or contains, ``folder``.

    Yields:
        The file's path, and why it is hidden: the name of the hidden folder with a slash, ``HIDDEN_FILES``,
        or an empty string for a visible file.

    Raises:
        UserError: If a folder cannot be read.
    """
    pending = [(bool(hidden), False, str(folder), hidden)]
    entered: set[tuple[int, int]] = set()
    while pending:
        _, _, current, reason = heappop(pending)
        contents = entries(current)
        status = os.stat(current)  # noqa: PTH116 - a path object for each of a million files takes seconds
        if (identity := (status.st_dev, status.st_ino)) in entered:
            continue
        entered.add(identity)
        for entry in contents:
            own = reason or _reason(entry)
            if is_folder(entry):
                heappush(pending, (bool(own), entry.is_symlink(), entry.path, own))
            else:
                yield entry.path, own


def visible_files(folder: str | Path) -> list[str]:
    """The files below a folder, without hidden ones, sorted."""
    return sorted(path for path, hidden in walk(folder) if not hidden)


def _reason(entry: os.DirEntry[str]) -> str:
    if not is_hidden(entry.name):
        return ""
    return f"{entry.name}/" if is_folder(entry) else HIDDEN_FILES


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one."""
    if entry.is_symlink():
        return os.path.isdir(entry.path)  # noqa: PTH112 - false, not an error, for a link to itself
    return entry.is_dir()
