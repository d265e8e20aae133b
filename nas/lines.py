"""A file that several processes append lines to, of which any may be killed at any moment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_TAIL = 4096


def append_lines(path: Path, lines: Sequence[str], *, sync: bool = True) -> None:
    """Appends whole lines.

    Args:
        path: The file; it is made if it is missing, its folder must exist.
        lines: Without their ends.
        sync: Whether they are on the disk on return, and not only with the system, which keeps them if this
            process is killed, but not if the machine stops.
    """
    with path.open("ab+") as stream, _locked(stream):
        _drop_partial_line(stream)
        stream.write("".join(f"{line}\n" for line in lines).encode())
        stream.flush()
        if sync:
            os.fsync(stream.fileno())


def drop_partial_line(path: Path) -> None:
    """Cuts off a last line without an end: what a killed process was writing."""
    if path.exists():
        with path.open("rb+") as stream, _locked(stream):
            _drop_partial_line(stream)


@contextmanager
def _locked(stream: BinaryIO) -> Iterator[None]:
    """Holds the file for this process; the system lets go of it however the process ends."""
    import fcntl

    fcntl.flock(stream, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(stream, fcntl.LOCK_UN)


def _drop_partial_line(stream: BinaryIO) -> None:
    size = end = stream.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _TAIL)
        stream.seek(start)
        tail = stream.read(end - start)
        found = tail.rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        stream.truncate(end)
        stream.flush()
    stream.seek(0, os.SEEK_END)
