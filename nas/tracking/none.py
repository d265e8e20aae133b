"""No tracker: the run's own files are all that is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

from nas.tracking.base import Artifact, Tracker, register


@final
@register
@dataclass(frozen=True, kw_only=True)
class NoTracker(Tracker):
    """Records nothing."""

    NAME: ClassVar[str] = "none"

    def start(self, *, config: Mapping[str, Any], run_dir: Path, name: str) -> None:
        pass

    def log(self, metrics: Mapping[str, float], *, step: int) -> None:
        pass

    def artifact(self, artifact: Artifact) -> None:
        pass

    def finish(self) -> None:
        pass
