"""Whether the files of a data set are still the same, without reading them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from nas.training.data.load import data_sets
from nas.training.data.registry import DATA_SETS


def files_digest(name: str, *, root: str | Path | None) -> str | None:
    """How many files hold a data set, and a hash of their paths below ``root``, sizes and times of change.

    Classes are folders, so that they are in the paths. Nothing is opened: 50,000 files take about a second.

    Args:
        name: The data set.
        root: Its folder.

    Returns:
        ``None`` where no files decide what is in it, or the data set or its folder is unknown: whoever loads
        it says so.
    """
    folder = None if root is None else Path(root).expanduser()
    if name not in data_sets() or folder is None or not folder.is_dir():
        return None
    paths = sorted(DATA_SETS.find(name).files(folder))
    if not paths:
        return None
    found = hashlib.sha256()
    for path in paths:
        found.update(f"{os.path.relpath(path, folder)}\0{_size_and_time(path)}\n".encode("utf-8", "replace"))
    return f"{len(paths)} files, {found.hexdigest()[:16]}"


def _size_and_time(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116 - a path object for each of a million files takes seconds
    except OSError:
        return "unreadable"
    return f"{status.st_size} {status.st_mtime_ns}"
