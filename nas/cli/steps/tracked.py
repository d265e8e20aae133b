"""What a tracker gets of a step: its files as a version, numbers, the front as a table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from nas.files import read_json, sha256
from nas.pipeline import Step
from nas.records import RECORD, read_record
from nas.tracking import Artifact, Table, Tracker


def track_step(tracker: Tracker, step: Step, *, run_dir: Path, name: str) -> None:
    """Records a step whose results are complete.

    Args:
        tracker: The tracker.
        step: The step.
        run_dir: The run folder.
        name: What the names of the run's artifacts begin with.
    """
    tracker.artifact(artifact_of(step, run_dir=run_dir, name=name))
    folder = step.folder.name
    if folder == "search":
        tracker.table(_front(step.folder))
    if folder in _NUMBERS:
        numbers = _NUMBERS[folder](step.folder)
        tracker.log({f"{folder}/{name}": value for name, value in numbers.items()}, step=0)


def artifact_of(step: Step, *, run_dir: Path, name: str) -> Artifact:
    """Returns the version of a step's files, and the versions that it was made from."""
    hashes = _outputs(step.folder)
    made_from: dict[str, str] = {}
    for path in step.inputs.values():
        inside = path.relative_to(run_dir).parts[0] if path.is_relative_to(run_dir) else None
        if inside is not None and (run_dir / inside / RECORD).is_file():
            made_from[f"{name}-{inside}"] = _digest(_outputs(run_dir / inside))
        else:
            made_from[path.name] = sha256(path)
    return Artifact(
        name=f"{name}-{step.folder.name}",
        kind=step.folder.name,
        files={file: step.folder / file for file in hashes},
        digest=_digest(hashes),
        made_from=made_from,
    )


def _outputs(folder: Path) -> Mapping[str, str]:
    """Returns the hashes of a step's files; none if its record is damaged."""
    return dict((read_record(folder) or {}).get("outputs", {}))


def _digest(hashes: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(dict(hashes), sort_keys=True).encode()).hexdigest()


def _front(folder: Path) -> Table:
    """Returns the front: the second objective across, the first one up."""
    value = read_json(folder / "pareto.json")
    names = tuple(objective["name"] for objective in value["objectives"])
    rows = tuple((point["code"], *(point["values"][name] for name in names)) for point in value["front"])
    drawn = len(names) > 1 and bool(rows)
    return Table(
        name="search/front",
        columns=("network", *names),
        rows=rows,
        x=names[1] if drawn else None,
        y=names[0] if drawn else None,
    )


def _table_numbers(folder: Path) -> dict[str, float]:
    """Returns the error of the table in percent, and the baselines beside it."""
    from nas.latency import load_table

    [path] = [folder / name for name in _outputs(folder)]
    table = load_table(path)
    numbers = {"blocks": float(len(table.costs))}
    if table.accuracy is not None:
        numbers["error_percent"] = 100 * table.accuracy.table.mape
        numbers["error_percent_of_macs"] = 100 * table.accuracy.macs.mape
    return numbers


def _scale_numbers(folder: Path) -> dict[str, float]:
    value = read_json(folder / "scale.json")
    return {name: float(value[name]) for name in ("phi", "predicted_ms") if value.get(name) is not None}


def _final_numbers(folder: Path) -> dict[str, float]:
    """Returns accuracies, MACs and measured latencies of the networks that were trained to the end."""
    from nas.report import read_table

    numbers: dict[str, float] = {}
    for row in read_table(folder.parent):
        numbers |= {f"{row.name}/test_accuracy": row.test_accuracy, f"{row.name}/macs": float(row.macs)}
        if row.latency_ms is not None:
            numbers[f"{row.name}/latency_ms"] = row.latency_ms.value
    return numbers


_NUMBERS: dict[str, Callable[[Path], dict[str, float]]] = {
    "table": _table_numbers,
    "scale": _scale_numbers,
    "deploy": _final_numbers,
}
"""The numbers of a finished step, by its folder."""
