"""The facts of a model card, read from the run's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from nas.deploy.attempts import Attempt, read_attempts
from nas.deploy.manifest import Artefact
from nas.files import fields_of, read_json
from nas.latency import LatencyTable
from nas.report.files import PARETO, SCALE, WINNER, read_latency_table
from nas.report.records import finished, has_own_network, is_outdated, settings, versions
from nas.report.results import Row, rows_of

_PROVENANCE = "provenance.json"


@final
@dataclass(frozen=True, kw_only=True)
class Data:
    """The images of a run.

    Attributes:
        name: The data set, e.g. ``"cifar10"``.
        folder: Name of its folder; empty if it has none.
        classes: Name of each class.
        channels: 1 (grey) or 3 (RGB).
        train: Number of training images.
        validation: Number of search-validation images.
        test: Number of test images.
        drawn: Parts, ``"validation"`` and ``"test"``, that were drawn from the data set's training images.
        notes: Notes for the user, such as the classes without test images.
        seed: The seed of the split.
    """

    name: str
    folder: str
    classes: tuple[str, ...]
    channels: int
    train: int
    validation: int
    test: int
    drawn: tuple[str, ...]
    notes: tuple[str, ...]
    seed: int

    @property
    def title(self) -> str:
        """Name of the data set, with its folder if pictures of any kind may be in it."""
        return f"{self.folder} ({self.name})" if self.name == "image_folder" and self.folder else self.name


@final
@dataclass(frozen=True, kw_only=True)
class Search:
    """The search that the network comes from.

    Attributes:
        winner: The content of ``search/winner.json``.
        evaluations: Number of networks evaluated.
        settings: Settings of the step; empty if unknown.
        supernet: Settings of the supernet's training; empty if unknown.
    """

    winner: Mapping[str, Any]
    evaluations: int
    settings: Mapping[str, Any]
    supernet: Mapping[str, Any]


@final
@dataclass(frozen=True, kw_only=True)
class Scaling:
    """How the winner of the search was scaled.

    Attributes:
        method: Name of the method; empty in older results.
        budget_ms: The latency budget, in ms of one inference; ``None`` for none.
        missed: Candidates that were exported before and missed the budget.
    """

    method: str
    budget_ms: float | None
    missed: tuple[Attempt, ...]


@final
@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of a model card.

    Attributes:
        run: Name of the run.
        license: Identifier of the files' licence; ``None`` if unknown.
        images: The images.
        rows: The networks of the final comparison, the winner first.
        files: The winner's files.
        shipped: The one that the card is about.
        training: Settings of the final training; empty if unknown.
        class_weights: Name of the weighting of classes in it; empty for none.
        versions: Versions that the final training ran with; empty if unknown.
        trained: When it finished, in ISO 8601; empty if unknown.
        commit: Commit of hwnas, if it ran from a checkout; empty otherwise.
        search: The search; ``None`` if the network does not come from one.
        scaling: The scaling; ``None`` if the network does not come from a search.
        table: The latency table of the predictions; ``None`` for none.
    """

    run: str
    license: str | None
    images: Data
    rows: Sequence[Row]
    files: Sequence[Artefact]
    shipped: Artefact
    training: Mapping[str, Any]
    class_weights: str
    versions: Mapping[str, str]
    trained: str
    commit: str
    search: Search | None
    scaling: Scaling | None
    table: LatencyTable | None

    @property
    def winner(self) -> Row:
        """The network that the card is about; its accuracy and latency are those of the shipped file."""
        return next(row for row in self.rows if row.name == self.shipped.name)

    @property
    def has_own_network(self) -> bool:
        """Whether the network is the user's own."""
        return self.training.get("network") is not None

    @property
    def is_predicted_here(self) -> bool:
        """Whether the table predicts the latency that was measured: same machine and batch."""
        measured = self.shipped.device.get("machine")
        if self.table is None or measured is None:
            return False
        return self.table.device.machine == measured and self.table.device.batch == self.shipped.batch

    @property
    def missed_ms(self) -> float | None:
        """The latency budget, if the shipped file was measured to exceed it."""
        budget = self.scaling.budget_ms if self.scaling is not None and self.is_predicted_here else None
        latency = self.shipped.latency_ms
        return budget if budget is not None and latency is not None and latency.value > budget else None


def read_facts(
    run_dir: Path, exported: Sequence[Artefact], *, shipped: Artefact, images: Data, license: str | None
) -> Facts:
    """Reads the facts of a run; what an earlier network left behind is not among them.

    Raises:
        UserError: If a file cannot be read.
    """
    final_step = run_dir / "final"
    comes_from_search = not has_own_network(run_dir) and not is_outdated(run_dir, "final")
    return Facts(
        run=run_dir.resolve().name,
        license=license,
        images=images,
        rows=rows_of(run_dir, exported, format=shipped.format),
        files=[each for each in exported if each.name == shipped.name],
        shipped=shipped,
        training=settings(final_step).get("finish", {}),
        class_weights=settings(final_step).get("data", {}).get("class_weights") or "",
        versions=versions(final_step),
        trained=finished(final_step),
        commit=_commit(run_dir),
        search=_search(run_dir) if comes_from_search else None,
        scaling=_scaling(run_dir) if comes_from_search else None,
        table=None if has_own_network(run_dir) else read_latency_table(run_dir),
    )


def _search(run_dir: Path) -> Search | None:
    if not all((run_dir / path).is_file() for path in (WINNER, PARETO)) or is_outdated(run_dir, "scale"):
        return None
    path = run_dir / PARETO
    with fields_of(path, remedy="search again: nas search"):
        evaluations = int(read_json(path)["evaluations"])
    known = not is_outdated(run_dir, "search")
    return Search(
        winner=read_json(run_dir / WINNER),
        evaluations=evaluations,
        settings=settings(run_dir / "search").get("search", {}),
        supernet=settings(run_dir / "supernet").get("train", {}) if known else {},
    )


def _scaling(run_dir: Path) -> Scaling | None:
    path = run_dir / SCALE
    if not path.is_file():
        return None
    value = read_json(path)
    with fields_of(path, remedy="make it again: nas scale"):
        return Scaling(
            method=value.get("method", ""),
            budget_ms=value["latency_ms"],
            missed=read_attempts(run_dir).missed,
        )


def _commit(run_dir: Path) -> str:
    path = run_dir / _PROVENANCE
    if not path.is_file():
        return ""
    with fields_of(path, remedy="any command of the run makes it anew"):
        source = read_json(path).get("source")
        if source is None:
            return ""
        return f"{source['commit']}{' with changes' if source['changed'] else ''}"
