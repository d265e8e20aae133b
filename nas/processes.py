"""Identities of processes, and whether they have ended."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from pathlib import Path


@cache
def machine() -> str:
    """Returns a short name for the scope of process IDs: this boot of a machine or container."""
    parts = [platform.node()]
    for path in (Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")):
        try:
            parts.append(str(path.readlink()) if path.is_symlink() else path.read_text(encoding="utf-8"))
        except OSError:  # not Linux
            continue
    return f"{parts[0]}-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:8]}"


def identity() -> str:
    """Returns an identity unique to this process, even among later ones with the same ID."""
    return f"{machine()}/{os.getpid()}/{_started(os.getpid())}"


def is_gone(process: str) -> bool:
    """Returns whether an identity is that of a process of this machine that has ended."""
    place, number, started = process.split("/")
    if place != machine():
        return False
    return not _lives(int(number)) or _started(int(number)) != started


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return _stat(process)[:1] != ["Z"]


def _started(process: int) -> str:
    """Returns the start time of a process in the system's ticks; empty if unavailable."""
    fields = _stat(process)
    return fields[19] if len(fields) > 19 else ""


def _stat(process: int) -> list[str]:
    """Returns the fields of ``/proc/PID/stat`` after the name, which may contain spaces and brackets."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
