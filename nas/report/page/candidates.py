"""The candidates of a search as the page needs them: their places in the plane, drawings and choices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from nas.arrays import IntArray
from nas.errors import UserError
from nas.files import fields_of, read_csv, read_json, read_yaml
from nas.network import NetworkSpec
from nas.report.drawing.collection import Collection, Groups
from nas.report.files import CONTROL, IMPORTANCE, PARETO, TRIALS, WINNER, Search, in_words
from nas.search.results.posterior import SURE
from nas.search.trials.evaluation import State
from nas.space import Architecture, SearchSpace
from nas.space.rows import ABSENT

MOST = 5000
"""The most candidates in a page."""

MOST_RANDOM = 1000
"""The most networks of random search in a page."""

_AXES = 8
STATES = ("evaluated", "outside", "stopped")


@final
@dataclass(frozen=True)
class Candidate:
    """One network of a search with all values.

    Attributes:
        number: Its number among all trials.
        order: How many evaluations had ended before it.
        code: The code of its architecture.
        point: Accuracy, and the cost.
        state: One of ``STATES``.
        posterior: Its posterior accuracy and the standard deviation, if known.
        prediction: Empty, ``predicted`` or ``extrapolated``.
    """

    number: int
    order: int
    code: str
    point: tuple[float, float]
    state: str
    posterior: tuple[float, float] | None
    prediction: str

    def value(self, sure: float) -> float:
        """The accuracy by which it is chosen: the posterior one if known, less ``sure`` deviations."""
        return self.point[0] if self.posterior is None else self.posterior[0] - sure * self.posterior[1]


def read_candidates(run_dir: Path, names: tuple[str, str]) -> tuple[list[Candidate], int]:
    """Returns the evaluated networks of ``trials.csv``, and the number of those that failed.

    Args:
        run_dir: The run folder.
        names: The objectives to show: the accuracy and the cost.

    Raises:
        UserError: If the file cannot be read.
    """
    remedy = "search again: nas search"
    rows = read_csv(run_dir / TRIALS, remedy=remedy)
    with fields_of(run_dir / TRIALS, remedy=remedy):
        return _candidates(rows, names)


def _candidates(rows: Sequence[Mapping[str, str]], names: tuple[str, str]) -> tuple[list[Candidate], int]:
    found: list[Candidate] = []
    order = failed = 0
    for row in rows:
        if row["state"] == State.REJECTED or not row["code"]:
            continue
        order += 1
        accuracy, cost = (number(row[name]) for name in names)
        if accuracy is None or cost is None:
            failed += 1
            continue
        value, deviation = number(row.get("posterior")), number(row.get("deviation"))
        found.append(
            Candidate(
                number=int(row["number"]),
                order=order - 1,
                code=row["code"],
                point=(accuracy, cost),
                state=_state(row),
                posterior=None if value is None or deviation is None else (value, deviation),
                prediction=row.get("prediction", ""),
            )
        )
    return found, failed


def number(text: str | None) -> float | None:
    """Reads a finite number; ``None`` for everything else, such as the NaN of a failed evaluation."""
    with suppress(ValueError):
        value = float(text or "nan")
        return value if math.isfinite(value) else None
    return None


def _state(row: Mapping[str, str]) -> str:
    if row["state"] == State.STOPPED:
        return "stopped"
    return "evaluated" if row["feasible"] == "True" else "outside"


def thinned(candidates: Sequence[Candidate], keep: set[int]) -> list[Candidate]:
    """Returns at most about ``MOST`` candidates: those whose number is in ``keep``, and every n-th other."""
    if len(candidates) <= MOST:
        return list(candidates)
    step = 1 + len(candidates) // MOST
    return [each for i, each in enumerate(candidates) if i % step == 0 or each.number in keep]


def choosable(candidates: Sequence[Candidate], sure: float) -> set[int]:
    """Returns the numbers of all candidates that some budget may choose, see ``Candidate.value``.

    The most accurate network within a budget, and the fastest of those that are as good, are each more
    accurate than all that cost less.
    """
    found, best = set(), -math.inf
    usable = [each for each in candidates if each.state == "evaluated" and each.prediction != "extrapolated"]
    for each in sorted(usable, key=lambda each: (each.point[1], -each.value(sure))):
        if each.value(sure) > best:
            found.add(each.number)
            best = each.value(sure)
    return found


def candidates_data(run_dir: Path, search: Search, collection: Collection) -> dict[str, Any]:
    """Returns all that the page's script shows of the candidates, as JSON values.

    Raises:
        UserError: If a file cannot be read.
    """
    pareto, winner = read_json(run_dir / PARETO), read_json(run_dir / WINNER)
    with fields_of(run_dir / PARETO.parent, remedy="search again: nas search"):
        front = {item["number"] for item in pareto["front"]} | {winner["number"]}
    found, failed = read_candidates(run_dir, search.names)
    # Before lower bounds decided, the posterior accuracies did.
    sure = SURE if "lower" in (winner.get("posterior") or {}) else 0.0
    shown = thinned(found, front | choosable(found, sure))
    network = NetworkSpec.from_dict(winner["network"])
    space = space_of(run_dir, str(pareto["space"]), winner, network)
    rows = _rows(space, shown)
    drawn = _drawn(space, rows, network, collection)
    posterior = [each.posterior for each in shown]
    return {
        "names": search.names,
        "rated": in_words(search.names[0]),
        "unit": search.cost[1],
        "label": " ".join(filter(None, [search.cost[0], f"({search.cost[1]})" if search.cost[1] else ""])),
        "bound": search.bound,
        "predicted": search.forecast is not None,
        "evaluations": max((each.order for each in found), default=0) + 1,
        "found": len(found),
        "failed": failed,
        "noise": winner.get("noise", 0.0),
        "sure": sure,
        "number": [each.number for each in shown],
        "order": [each.order for each in shown],
        "code": [each.code for each in shown],
        "accuracy": [each.point[0] for each in shown],
        "cost": [each.point[1] for each in shown],
        "state": [STATES.index(each.state) for each in shown],
        "extrapolated": [each.prediction == "extrapolated" for each in shown],
        "posterior": [None if each is None else each[0] for each in posterior],
        "deviation": [None if each is None else each[1] for each in posterior],
        "front": [i for i, each in enumerate(shown) if each.number in front and each.state == "evaluated"],
        "winner": next((i for i, each in enumerate(shown) if each.number == winner["number"]), None),
        "winner_groups": collection.add(network),
        "random": _random(run_dir, search.names),
        **drawn,
        "axes": _axes(run_dir, space, rows),
    }


def space_of(run_dir: Path, name: str, winner: Mapping[str, Any], network: NetworkSpec) -> SearchSpace | None:
    """Returns the space of a search; ``None`` if it is not here, or no longer the one that was searched."""
    for source in (_configured(run_dir), name):
        with suppress(UserError, KeyError, TypeError, ValueError, AttributeError):
            space = SearchSpace.load(source)
            arch = space.canonical(Architecture.from_dict(winner["architecture"]))
            made = space.network(arch, classes=network.classes, input_channels=network.input_channels)
            if space.name == name and made.blocks == network.blocks:
                return space
    return None


def _configured(run_dir: Path) -> str:
    """Returns the run's setting ``space``, which may be a path; empty if unknown."""
    with suppress(OSError, UserError, AttributeError):
        return str(read_yaml(run_dir / "config.yaml").get("space", ""))
    return ""


def _rows(space: SearchSpace | None, shown: Sequence[Candidate]) -> IntArray | None:
    """Returns the candidates as rows of the space; ``None`` without the space."""
    if space is None or not shown:
        return None
    with suppress(UserError):
        return space.encode([space.canonical(Architecture.from_code(each.code)) for each in shown])
    return None


def _drawn(
    space: SearchSpace | None, rows: IntArray | None, network: NetworkSpec, collection: Collection
) -> dict[str, Any]:
    """Returns groups of cells, MACs and parameters of each candidate; empty lists without the space."""
    if space is None or rows is None:
        return {"groups": [], "macs": [], "params": []}
    sizes = {"classes": network.classes, "input_channels": network.input_channels}
    lowered = space.lower_many(rows, **sizes)
    numbers = {int(i): collection.number(lowered.blocks[i]) for i in lowered.used()}
    sections = _sections(space)
    return {
        "groups": [_groups(row, sections, numbers) for row in lowered.index.tolist()],
        "macs": lowered.total(np.array([block.macs for block in lowered.blocks])).tolist(),
        "params": lowered.total(np.array([block.params for block in lowered.blocks])).tolist(),
    }


def _sections(space: SearchSpace) -> list[int]:
    """Returns the group of each place of the space's networks."""
    stages = [1 + stage.number for stage in space.stages for _ in range(max(stage.depths))]
    return [0] * len(space.stem) + stages + [len(space.stages) + 1] * (len(space.head) + 1)


def _groups(row: Sequence[int], sections: Sequence[int], numbers: Mapping[int, int]) -> Groups:
    groups: Groups = [[] for _ in range(sections[-1] + 1)]
    for section, block in zip(sections, row, strict=True):
        if block >= 0:
            groups[section].append(numbers[block])
    return groups


def _random(run_dir: Path, names: tuple[str, str]) -> dict[str, list[float]]:
    """Returns the networks of random search; older runs did not keep them apart."""
    points = []
    if (run_dir / CONTROL).is_file():
        points = read_json(run_dir / CONTROL).get("networks", [])
    known = [each for each in points if all(name in each for name in names)]
    known = known[:: 1 + len(known) // MOST_RANDOM]
    return {"y": [each[names[0]] for each in known], "x": [each[names[1]] for each in known]}


def _axes(run_dir: Path, space: SearchSpace | None, rows: IntArray | None) -> list[dict[str, Any]]:
    """Returns the most important choices of the space, and which of them each candidate has made.

    ``values`` holds the position among ``choices`` by candidate.
    """
    if space is None or rows is None:
        return []
    names = [str(dimension) for dimension in space.dimensions]
    ranked = [name for name in _important(run_dir) if name in names]
    chosen = sorted(names.index(name) for name in (ranked or names)[:_AXES])
    return [
        _axis(names[column], list(map(str, space.dimensions[column].choices)), rows[:, column])
        for column in chosen
    ]


def _axis(name: str, choices: list[str], positions: IntArray) -> dict[str, Any]:
    """Returns one axis; where some architectures lack the choice, "none" comes first."""
    lacking = bool((positions == ABSENT).any())
    values = positions - ABSENT if lacking else positions
    return {"name": name, "choices": ["none", *choices] if lacking else choices, "values": values.tolist()}


def _important(run_dir: Path) -> list[str]:
    with suppress(UserError, AttributeError, StopIteration):
        return list(next(iter(read_json(run_dir / IMPORTANCE).values())))
    return []
