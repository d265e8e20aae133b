"""MLflow: a folder that ``mlflow ui`` reads, or a tracking server."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, final

from nas.errors import UserError
from nas.tracking.base import Artifact, Table, Tracker, register
from nas.tracking.pictures import as_csv, scatter

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a server that is not there is given up at once
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
}
_BATCH = 100
"""The most parameters in one call."""
_LONGEST_VALUE = 500


@final
@register
@dataclass(frozen=True, kw_only=True)
class MlflowTracker(Tracker):
    """MLflow.

    Attributes:
        store: A folder, or the address of a tracking server.
        experiment: Experiment of the run.
        group: Name shared by several runs, as the tag ``group``; ``None`` for none.
        files: Whether artifacts hold their files; otherwise their hashes alone.
    """

    NAME: ClassVar[str] = "mlflow"

    store: str
    experiment: str
    group: str | None
    files: bool
    _runs: list[tuple[Any, str]] = field(default_factory=list, init=False, repr=False, compare=False)
    _made: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def start(self, *, config: Mapping[str, Any], run_dir: Path, name: str) -> None:
        for variable, value in _ENVIRONMENT.items():
            os.environ.setdefault(variable, value)
        try:
            from mlflow import MlflowClient
        except ImportError:
            raise UserError("tracker=mlflow needs the package mlflow: pip install 'hwnas[mlflow]'") from None
        address = self.store if "://" in self.store else Path(self.store).resolve().as_uri()
        client = MlflowClient(tracking_uri=address)
        known = client.get_experiment_by_name(self.experiment)
        experiment = client.create_experiment(self.experiment) if known is None else known.experiment_id
        tags = {"run_dir": str(run_dir), **({} if self.group is None else {"group": self.group})}
        run = client.create_run(experiment, run_name=name, tags=tags).info.run_id
        self._runs.append((client, run))
        self._log_config(config)

    def _log_config(self, config: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        params = [Param(_name(key), value[:_LONGEST_VALUE]) for key, value in _flat(config)]
        for client, run in self._runs:
            client.log_dict(run, dict(config), "config.json")
            for first in range(0, len(params), _BATCH):
                client.log_batch(run, params=params[first : first + _BATCH])

    def log(self, metrics: Mapping[str, float], *, step: int) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        for client, run in self._runs:
            values = [Metric(_name(name), float(value), now, step) for name, value in metrics.items()]
            client.log_batch(run, metrics=values)

    def artifact(self, artifact: Artifact) -> None:
        self._made[artifact.name] = artifact.record()
        for client, run in self._runs:
            for name, path in artifact.files.items() if self.files else ():
                folder = (Path(artifact.kind) / name).parent
                client.log_artifact(run, str(path), folder.as_posix())
            client.log_dict(run, self._made, "lineage.json")

    def table(self, table: Table) -> None:
        for client, run in self._runs:
            client.log_text(run, as_csv(table), f"{table.name}.csv")
            if table.x is not None:
                client.log_figure(run, scatter(table), f"{table.name}.png")

    def page(self, path: Path, *, name: str) -> None:
        for client, run in self._runs:
            client.log_text(run, path.read_text(encoding="utf-8"), f"{name}.html")

    def finish(self) -> None:
        while self._runs:
            client, run = self._runs.pop()
            client.set_terminated(run)
        self._made.clear()


def _name(text: str) -> str:
    """Returns a name that MLflow takes."""
    return re.sub(r"[^\w./ :-]", "_", text)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields the settings with their full names."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value)
