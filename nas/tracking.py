"""Experiment trackers, which record a run in addition to its own files: Weights & Biases, or none.

A tracker is a registered subclass of :class:`Tracker`; its fields are its options.
"""

from __future__ import annotations

import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, final

from nas.errors import UserError, unknown
from nas.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Tracker(ABC):
    """Records a run, from ``start`` to ``finish``."""

    NAME: ClassVar[str]

    @abstractmethod
    def start(self, *, config: Mapping[str, Any], run_dir: Path, name: str) -> None:
        """Starts a run.

        Args:
            config: The resolved configuration.
            run_dir: The run folder, for trackers that write files.
            name: The run's name.
        """

    @abstractmethod
    def log(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Records numbers.

        Args:
            metrics: Numbers by name. The part before the first ``/`` is the name of their axis:
                ``train/loss``.
            step: The position on that axis, e.g. the epoch. Axes are independent.
        """

    @abstractmethod
    def artifact(self, path: Path, *, kind: str) -> None:
        """Records a file, e.g. the exported model; ``kind`` is its type in one word."""

    @abstractmethod
    def finish(self) -> None:
        """Ends the run."""


_TRACKERS: Registry[type[Tracker]] = Registry("tracker")
register = _TRACKERS.register
"""Class decorator that registers a tracker by its ``NAME``."""


def tracker_names() -> tuple[str, ...]:
    """Returns the names of all registered trackers."""
    return _TRACKERS.names()


def make_tracker(options: Mapping[str, Any]) -> Tracker:
    """Makes a tracker.

    Args:
        options: ``name``, and values of the tracker's fields.

    Raises:
        UserError: If the name or an option is unknown.
    """
    values = dict(options)
    name = values.pop("name")
    tracker = _TRACKERS.find(name)
    allowed = [item.name for item in dataclasses.fields(tracker) if item.init]
    for option in values:
        if option not in allowed:
            raise unknown(f"option of tracker {name}", option, allowed)
    return tracker(**values)


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

    def artifact(self, path: Path, *, kind: str) -> None:
        pass

    def finish(self) -> None:
        pass


MODES = ("offline", "online", "disabled")


@final
@register
@dataclass(frozen=True, kw_only=True)
class WandbTracker(Tracker):
    """Weights & Biases.

    Attributes:
        mode: ``offline`` (no account, no network), ``online`` or ``disabled``.
        project: Project of the run.
        entity: User or team; ``None`` for the account's own.
        group: Name shared by several runs; ``None`` for none.
        init_timeout_s: Seconds to wait for the server in online mode.
    """

    NAME: ClassVar[str] = "wandb"

    mode: str
    project: str
    entity: str | None
    group: str | None
    init_timeout_s: float
    _runs: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)
    _folders: list[str] = field(default_factory=list, init=False, repr=False, compare=False)
    _axes: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise unknown("tracker.mode", self.mode, MODES)

    def start(self, *, config: Mapping[str, Any], run_dir: Path, name: str) -> None:
        folder = run_dir.resolve()
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # else offline mode resolves a host name
        self._place("WANDB_DATA_DIR", folder / "wandb" / "data")
        self._place("WANDB_CACHE_DIR", folder / "wandb" / "cache")
        wandb = _import_wandb()
        settings = wandb.Settings(init_timeout=self.init_timeout_s, silent=True, console="off")
        try:
            run = wandb.init(
                mode=self.mode,
                project=self.project,
                entity=self.entity,
                group=self.group,
                name=name,
                dir=str(folder),
                config=dict(config),
                settings=settings,
            )
        except wandb.errors.Error as error:
            raise UserError(
                f"wandb did not start in {self.mode} mode: {error}; run `wandb login`, or choose "
                "tracker.mode=offline"
            ) from None
        self._runs.append(run)

    def _place(self, variable: str, folder: Path) -> None:
        """Redirects one of wandb's folders from the home folder to the run folder, until ``finish``."""
        if variable not in os.environ:
            os.environ[variable] = str(folder)
            self._folders.append(variable)

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

    def artifact(self, path: Path, *, kind: str) -> None:
        for run in self._runs:
            run.log_artifact(str(path), name=path.stem, type=kind)

    def finish(self) -> None:
        while self._runs:
            self._runs.pop().finish()
        while self._folders:
            os.environ.pop(self._folders.pop(), None)


def _import_wandb() -> Any:
    try:
        import wandb
    except ImportError:
        raise UserError("tracker=wandb needs the package wandb: pip install wandb") from None
    return wandb
