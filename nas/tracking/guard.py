"""A guard around a tracker: when it fails, the run goes on without it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, final

from nas.errors import UserError
from nas.tracking.base import Artifact, Table, Tracker

LOG = logging.getLogger(__name__)


@final
@dataclass(frozen=True, kw_only=True)
class Guard(Tracker):
    """Passes everything on to a tracker until it fails, which gives one warning.

    Attributes:
        inner: The tracker.
    """

    NAME: ClassVar[str] = "guard"

    inner: Tracker
    _failures: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    def start(self, *, config: Mapping[str, Any], run_dir: Path, name: str) -> None:
        self._try(lambda: self.inner.start(config=config, run_dir=run_dir, name=name), passes=UserError)

    def log(self, metrics: Mapping[str, float], *, step: int) -> None:
        self._try(lambda: self.inner.log(metrics, step=step))

    def artifact(self, artifact: Artifact) -> None:
        self._try(lambda: self.inner.artifact(artifact))

    def table(self, table: Table) -> None:
        self._try(lambda: self.inner.table(table))

    def page(self, path: Path, *, name: str) -> None:
        self._try(lambda: self.inner.page(path, name=name))

    def record(self, recording: Callable[[Tracker], None]) -> None:
        """Lets a function record several things; what fails while it prepares them is a failure, too."""
        self._try(lambda: recording(self.inner))

    def finish(self) -> None:
        self._try(self.inner.finish, again=True)

    def _try(
        self, call: Callable[[], None], *, passes: type[Exception] | tuple[()] = (), again: bool = False
    ) -> None:
        """Calls a method unless an earlier call failed; ``again`` calls it even then."""
        if self._failures and not again:
            return
        try:
            call()
        except passes:
            raise
        except Exception as error:  # noqa: BLE001 - a library of others may fail in any way
            if not self._failures:
                LOG.warning(
                    f"tracker {self.inner.NAME} failed, and the run goes on without it: {_reason(error)}"
                )
            self._failures.append(str(error))


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}{f': {lines[0]}' if lines else ''}"
