"""TensorBoard: metrics as curves; configuration, artifacts, tables and lineage as texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, final

from nas import markdown
from nas.errors import UserError
from nas.tracking.base import Artifact, Table, Tracker, register
from nas.tracking.pictures import scatter

FOLDER = "tensorboard"
_FLUSH_S = 10


@final
@register
@dataclass(frozen=True, kw_only=True)
class TensorBoardTracker(Tracker):
    """TensorBoard, which reads ``run_dir/tensorboard``.

    It keeps no files: an artifact is a text with its version, its files and what it was made from.
    """

    NAME: ClassVar[str] = "tensorboard"

    _writers: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    def start(self, *, config: Mapping[str, Any], run_dir: Path, name: str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UserError(
                "tracker=tensorboard needs the package tensorboard: pip install 'hwnas[tensorboard]'"
            ) from None
        writer = SummaryWriter(log_dir=str(run_dir / FOLDER), flush_secs=_FLUSH_S)
        text = json.dumps(config, indent=2, ensure_ascii=False)
        writer.add_text("config", markdown.block(text, language="json"))
        writer.add_text("run", markdown.escaped(name))
        self._writers.append(writer)

    def log(self, metrics: Mapping[str, float], *, step: int) -> None:
        for writer in self._writers:
            for name, value in metrics.items():
                writer.add_scalar(name, value, global_step=step)

    def artifact(self, artifact: Artifact) -> None:
        made_from = artifact.record()["made_from"]
        lines = [
            f"{markdown.code(artifact.kind)}, version {markdown.code(artifact.version)}",
            "made from " + (", ".join(markdown.code(f"{n}:{v}") for n, v in made_from.items()) or "nothing"),
            *(markdown.code(str(path)) for path in artifact.files.values()),
        ]
        for writer in self._writers:
            writer.add_text(f"artifacts/{artifact.name}", "\n\n".join(lines))

    def table(self, table: Table) -> None:
        cells = [[markdown.escaped(str(value)) for value in row] for row in table.rows]
        for writer in self._writers:
            writer.add_text(table.name, markdown.table([markdown.escaped(n) for n in table.columns], cells))
            if table.x is not None:
                writer.add_figure(f"{table.name}_plot", scatter(table))

    def page(self, path: Path, *, name: str) -> None:
        for writer in self._writers:
            writer.add_text(name, markdown.code(str(path)))

    def finish(self) -> None:
        while self._writers:
            self._writers.pop().close()
