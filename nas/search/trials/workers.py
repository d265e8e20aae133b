"""The workers of a shared search, and how to detect dead ones."""

from __future__ import annotations

import hashlib
import os
import platform
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import final

BEAT_S = 10.0
"""Interval of a worker's heartbeats."""

GRACE_S = 60.0
"""Time without a heartbeat after which a worker on another machine counts as dead."""


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


def is_gone(worker: str) -> bool:
    """Returns whether a worker is a process of this machine that has ended."""
    place, process, started = worker.split("/")
    if place != machine():
        return False
    return not _lives(int(process)) or _started(int(process)) != started


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


@final
@dataclass
class Watch:
    """Detects workers without a heartbeat, by this machine's clock alone.

    Attributes:
        grace_s: Longest time allowed without a heartbeat.
    """

    grace_s: float = GRACE_S
    _heard: dict[int, tuple[object, float]] = field(default_factory=dict)

    def is_silent(self, trial: int, beat: object) -> bool:
        """Returns whether a trial's beat has not changed for too long; to be called repeatedly."""
        now = time.monotonic()
        last, since = self._heard.get(trial, (None, now))
        if trial not in self._heard or last != beat:
            self._heard[trial] = (beat, now)
            return False
        return now - since > self.grace_s


@final
class Heartbeat:
    """Calls a function periodically, in its own thread, while the body runs."""

    def __init__(self, beat: Callable[[int], None], *, every_s: float = BEAT_S) -> None:
        self._beat, self._every_s = beat, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        count = 0
        while not self._stop.wait(self._every_s):
            count += 1
            self._beat(count)
