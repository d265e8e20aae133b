"""The workers of a shared search, and how to detect silent ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

BEAT_S = 10.0
"""Interval of a worker's heartbeats."""

GRACE_S = 60.0
"""Time without a heartbeat after which a worker on another machine counts as dead."""


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
