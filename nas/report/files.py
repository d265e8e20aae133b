"""Reads the files of a run folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from nas.errors import UserError
from nas.files import read_csv, read_json
from nas.latency import LatencyTable, load_table
from nas.network import NetworkSpec
from nas.records import RECORD
from nas.report.records import finished
from nas.report.results import RESULTS, read_table
from nas.search.goals.objectives import LATENCY
from nas.search.results.winners import CALIBRATED
from nas.search.trials.evaluation import State

HISTORY = Path("supernet") / "history.csv"
TRIALS = Path("search") / "trials.csv"
PARETO = Path("search") / "pareto.json"
WINNER = Path("search") / "winner.json"
CONTROL = Path("search") / "control.json"
IMPORTANCE = Path("search") / "importance.json"
SCALE = Path("scale") / "scale.json"
TABLE = "table.json"

Point = tuple[float, float]
"""Accuracy from 0 to 1, and the cost."""

_MOST_POINTS = 2000


@final
@dataclass(frozen=True, kw_only=True)
class Search:
    """A search by accuracy and one cost, usually a latency; other objectives are not drawn.

    Attributes:
        names: Names of the two objectives to draw.
        units: Units of all objectives, by name; empty unless it is a latency.
        trials: The evaluations within the bounds; of very many, some that are spread evenly.
        outside: Evaluations that break a bound.
        stopped: Evaluations stopped early; their accuracy is of part of the images.
        front: The Pareto front.
        winner: The winner.
        bound: The cost's budget, if any.
        evaluations: Number of networks evaluated.
        hypervolume: Hypervolume after each evaluation.
        random: Hypervolume of random search with the same budget; empty without a control.
        reference: Reference point of the hypervolume: a value for each objective, by name.
        estimated: Whether the costs of the winner and of the front, in this order, are based on estimates.
        forecast: How the accuracies are predicted; ``None`` if they are those of images.
        extrapolated: The part of the front whose accuracy is extrapolated.
    """

    names: tuple[str, str]
    units: Mapping[str, str]
    trials: tuple[Point, ...]
    outside: tuple[Point, ...]
    stopped: tuple[Point, ...]
    front: tuple[Point, ...]
    winner: Point
    bound: float | None
    evaluations: int
    hypervolume: tuple[float, ...]
    random: tuple[float, ...]
    reference: Mapping[str, float]
    estimated: tuple[bool, ...]
    forecast: Mapping[str, Any] | None
    extrapolated: tuple[Point, ...]

    @property
    def cost(self) -> tuple[str, str]:
        """The cost's name and unit, such as ``("predicted latency", "ms")`` for a latency."""
        name = self.names[1]
        if self.units[name]:
            return f"{'estimated' if any(self.estimated) else 'predicted'} latency", self.units[name]
        return name, ""

    @property
    def accuracy(self) -> str:
        """Which accuracy it is, with its unit, for an axis."""
        if self.forecast is not None:
            return "predicted top-1 (%)"
        if self.names[0] == CALIBRATED:
            return "accuracy calibrated by networks trained alone (%)"
        return f"{in_words(self.names[0])} on search-validation images (%)"


def in_words(objective: str) -> str:
    """The name of an objective in words: ``calibrated_accuracy`` is ``calibrated accuracy``."""
    return objective.replace("_", " ")


def read_search(run_dir: Path) -> Search:
    """Reads the results of ``nas search``.

    Raises:
        UserError: If a file is missing or cannot be read, or no objective was maximised or minimised.
    """
    pareto, winner = read_json(run_dir / PARETO), read_json(run_dir / WINNER)
    control = read_json(run_dir / CONTROL) if (run_dir / CONTROL).is_file() else {}
    rows = read_csv(run_dir / TRIALS, remedy="search again: nas search")
    try:
        accuracy = next(item for item in pareto["objectives"] if item["direction"] == "maximize")
        cost = next(item for item in pareto["objectives"] if item["direction"] == "minimize")
        names = (accuracy["name"], cost["name"])
        trials: dict[str, list[Point]] = {"evaluated": [], "outside": [], "stopped": []}
        for row in rows:
            if all(row[name] for name in names):
                trials[_kind(row)].append(_point(row, names))
        return Search(
            names=names,
            units=units_of(pareto["objectives"]),
            trials=_some(trials["evaluated"]),
            outside=_some(trials["outside"]),
            stopped=tuple(trials["stopped"]),
            front=tuple(_point(item["values"], names) for item in pareto["front"]),
            winner=_point(winner["values"], names),
            bound=cost["bound"],
            evaluations=pareto["evaluations"],
            hypervolume=tuple(pareto["hypervolume_curve"]),
            random=tuple(control.get("hypervolume_curve", ())),
            reference={name: float(value) for name, value in pareto["reference"].items()},
            estimated=tuple(item["estimated"][cost["name"]] for item in (winner, *pareto["front"])),
            forecast=pareto.get("forecast"),
            extrapolated=tuple(
                _point(item["values"], names)
                for item in pareto["front"]
                if item.get("prediction") == "extrapolated"
            ),
        )
    except StopIteration:
        raise UserError(
            f"{run_dir / PARETO} has no accuracy to maximise or no cost to minimise, so it cannot be drawn"
        ) from None
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise UserError(
            f"{run_dir / PARETO.parent} cannot be read ({error!r}); search again: nas search"
        ) from None


def units_of(objectives: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Returns each objective's unit by name; older searches did not record the batch of a latency."""
    return {
        item["name"]: item.get("unit", "ms" if item["name"].startswith(LATENCY) else "")
        for item in objectives
    }


def _kind(row: Mapping[str, str]) -> str:
    if row["state"] == State.STOPPED:
        return "stopped"
    return "evaluated" if row["feasible"] == "True" else "outside"


def _some(points: Sequence[Point]) -> tuple[Point, ...]:
    """Returns every n-th point: no more than a picture can show."""
    return tuple(points[:: 1 + len(points) // _MOST_POINTS])


def _point(values: Mapping[str, Any], names: tuple[str, str]) -> Point:
    return float(values[names[0]]), float(values[names[1]])


def read_latency_table(run_dir: Path) -> LatencyTable | None:
    """Reads the latency table of the latest step, because later steps add blocks; ``None`` if there is none.

    A run that uses an existing table has it only in ``scale/``.
    """
    own = sorted((run_dir / "table").glob("*.json"))
    paths = [
        *(path for path in (run_dir / "scale" / TABLE, run_dir / "search" / TABLE) if path.is_file()),
        *(path for path in own if path.name != RECORD and not path.name.startswith(".")),
    ]
    newest = max(paths, key=lambda path: finished(path.parent), default=None)
    return None if newest is None else load_table(newest)


def winner_network(run_dir: Path) -> tuple[str, NetworkSpec] | None:
    """Returns the winner from the latest step that has one: its description and the network."""
    if (run_dir / RESULTS).is_file():
        return next(
            (("the trained winner", row.network) for row in read_table(run_dir) if row.role == "winner"), None
        )
    for path, description in ((SCALE, "the scaled winner"), (WINNER, "the search's choice")):
        if (run_dir / path).is_file():
            return description, NetworkSpec.from_dict(read_json(run_dir / path)["network"])
    return None
