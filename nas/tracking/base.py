"""The interface of trackers, what they record, and their registry."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, final

from nas.errors import unknown
from nas.registry import Registry

_SHORT = 12


@final
@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A version of a step's files, and the versions that it was made from.

    Attributes:
        name: Its name, which all its versions share.
        kind: Its type in one word: ``table``, ``supernet``, ``search``, …
        files: The files, by their names within the artifact.
        digest: A hash of the names and contents; it identifies the version.
        made_from: Digests of the artifacts and files that it was made from, by name.
    """

    name: str
    kind: str
    files: Mapping[str, Path]
    digest: str
    made_from: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The first digits of the digest."""
        return self.digest[:_SHORT]

    def record(self) -> dict[str, Any]:
        """Returns everything but the files, as JSON values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "version": self.version,
            "made_from": {name: digest[:_SHORT] for name, digest in self.made_from.items()},
        }


@final
@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows that are also drawn as points.

    Attributes:
        name: Its name, e.g. ``search/front``.
        columns: The names of the columns.
        rows: One value for each column: text, or a number.
        x: The column of the horizontal axis; ``None`` if there is nothing to draw.
        y: The column of the vertical axis.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]
    x: str | None = None
    y: str | None = None

    def points(self) -> tuple[list[float], list[float]]:
        """Returns the horizontal and vertical positions of the rows."""
        assert self.x is not None and self.y is not None
        columns = [self.columns.index(name) for name in (self.x, self.y)]
        across, up = ([float(row[column]) for row in self.rows] for column in columns)
        return across, up


@dataclass(frozen=True, kw_only=True)
class Tracker(ABC):
    """Records a run, from ``start`` to ``finish``.

    A failure may be any exception: the run goes on without the tracker (:class:`nas.tracking.Guard`). Only a
    ``UserError`` of ``start``, such as a missing package, ends the command before any work.
    """

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
    def artifact(self, artifact: Artifact) -> None:
        """Records the files of a step, their version and what they were made from."""

    def table(self, table: Table) -> None:  # noqa: B027 - a tracker may know no tables
        """Records a table, and draws its points."""

    def page(self, path: Path, *, name: str) -> None:  # noqa: B027 - a tracker may know no pages
        """Records a page of HTML, such as the report."""

    @abstractmethod
    def finish(self) -> None:
        """Ends the run."""


_TRACKERS: Registry[type[Tracker]] = Registry("tracker", package="nas.tracking")
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
