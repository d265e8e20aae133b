"""Weights & Biases."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, final

from nas.errors import UserError, unknown
from nas.tracking.base import Artifact, Table, Tracker, register

MODES = ("offline", "online", "disabled")
LOG = logging.getLogger(__name__)


@final
@register
@dataclass(frozen=True, kw_only=True)
class WandbTracker(Tracker):
    """Weights & Biases.

    Without a connection, an online run is recorded offline. Artifacts name in their metadata what they were
    made from: offline, wandb cannot declare that a run uses an artifact.

    Attributes:
        mode: ``offline`` (no account, no network), ``online`` or ``disabled``.
        project: Project of the run.
        entity: User or team; ``None`` for the account's own.
        group: Name shared by several runs; ``None`` for none.
        init_timeout_s: Seconds to wait for the server at the start of an online run.
        finish_timeout_s: Seconds to wait for uploads at its end.
        files: Whether artifacts hold their files; otherwise their hashes alone.
    """

    NAME: ClassVar[str] = "wandb"

    mode: str
    project: str
    entity: str | None
    group: str | None
    init_timeout_s: float
    finish_timeout_s: float
    files: bool
    _runs: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)
    _variables: list[str] = field(default_factory=list, init=False, repr=False, compare=False)
    _axes: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise unknown("tracker.mode", self.mode, MODES)

    def start(self, *, config: Mapping[str, Any], run_dir: Path, name: str) -> None:
        folder = run_dir.resolve()
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # else offline mode resolves a host name
        wandb = _import_wandb()
        self._place("WANDB_DATA_DIR", folder / "wandb" / "data")
        self._place("WANDB_CACHE_DIR", folder / "wandb" / "cache")
        about = {"name": name, "dir": str(folder), "config": dict(config)}
        try:
            self._runs.append(self._begin(wandb, self.mode, about))
        except wandb.errors.Error as error:
            reason = (str(error).strip().splitlines() or ["no connection"])[0]
            LOG.warning(
                f"wandb did not start in {self.mode} mode: {reason}; the run is recorded offline: "
                f"`wandb sync {run_dir}/wandb/offline-run-*` uploads it"
            )
            self._runs.append(self._begin(wandb, "offline", about))

    def _begin(self, wandb: Any, mode: str, about: Mapping[str, Any]) -> Any:
        settings = wandb.Settings(
            init_timeout=self.init_timeout_s,
            login_timeout=self.init_timeout_s,
            finish_timeout=self.finish_timeout_s,
            silent=True,
            console="off",
            x_disable_stats=True,  # a thread of its own, beside which latencies would be measured
        )
        return wandb.init(
            mode=mode, project=self.project, entity=self.entity, group=self.group, settings=settings, **about
        )

    def _place(self, variable: str, folder: Path) -> None:
        """Redirects one of wandb's folders from the home folder to the run folder, until ``finish``."""
        if variable not in os.environ:
            os.environ[variable] = str(folder)
            self._variables.append(variable)

    def log(self, metrics: Mapping[str, float], *, step: int) -> None:
        for run in self._runs:
            run.log({**metrics, **{f"{axis}/step": step for axis in self._define_axes(run, metrics)}})

    def _define_axes(self, run: Any, metrics: Mapping[str, float]) -> set[str]:
        """Returns the axes of these metrics; new ones are defined first.

        Each has its own axis because wandb's single counter restarts when a run resumes.
        """
        axes = {name.partition("/")[0] for name in metrics}
        for axis in sorted(axes - self._axes):
            run.define_metric(f"{axis}/step", hidden=True)
            run.define_metric(f"{axis}/*", step_metric=f"{axis}/step")
        self._axes.update(axes)
        return axes

    def artifact(self, artifact: Artifact) -> None:
        wandb = _import_wandb()
        for run in self._runs:
            made = wandb.Artifact(
                re.sub(r"[^\w.-]", "_", artifact.name), type=artifact.kind, metadata=artifact.record()
            )
            for name, path in artifact.files.items() if self.files else ():
                made.add_file(str(path), name=name)
            run.log_artifact(made, aliases=["latest", artifact.version])

    def table(self, table: Table) -> None:
        wandb = _import_wandb()
        for run in self._runs:
            made = wandb.Table(columns=list(table.columns), data=[list(row) for row in table.rows])
            shown = {table.name: made}
            if table.x is not None:
                shown[f"{table.name}_plot"] = wandb.plot.scatter(made, table.x, table.y, title=table.name)
            run.log(shown)

    def page(self, path: Path, *, name: str) -> None:
        wandb = _import_wandb()
        for run in self._runs:
            run.log({name: wandb.Html(path.read_text(encoding="utf-8"), inject=False)})

    def finish(self) -> None:
        while self._runs:
            self._runs.pop().finish()
        while self._variables:
            os.environ.pop(self._variables.pop(), None)


def _import_wandb() -> Any:
    try:
        import wandb
    except ImportError:
        raise UserError("tracker=wandb needs the package wandb: pip install wandb") from None
    return wandb
