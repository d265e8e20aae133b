"""The tables and the picture of the results of ``run.py``.

    python experiments/supernet_cifar10/summary.py runs/supernet_cifar10 FOLDER

It writes into FOLDER ``networks.csv`` (every raw number), ``results.md`` (the tables) and ``results.svg``.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts

from nas.errors import UserError
from nas.files import read_json, write_text
from nas.report.figures.style import BLUE, GREEN, ORANGE, SKY, save
from nas.report.figures.trust import TrustGroup, TrustPoint, draw_trust
from nas.training.history_csv import write_csv
from nas.training.trust import Agreement, Compared, random_only

TOP = 5
RESAMPLES = 2_000
NAMES = {
    "sandwich": "sandwich, in-place distillation",
    "sandwich_shared": "the same, without calibration",
    "no_distillation": "sandwich, all learn from labels",
    "single_path": "single path, as many epochs",
    "single_path_4x": "single path, four times the epochs",
}
"""Rows of the tables. All are calibrated except the second."""

LOOKS = {
    "sandwich": (BLUE, "o"),
    "no_distillation": (ORANGE, "s"),
    "single_path_4x": (GREEN, "^"),
    "single_path": (SKY, "v"),
}


@dataclass(frozen=True)
class Supernet:
    """A supernet, trained and evaluated in one way.

    Attributes:
        key: One of ``NAMES``.
        epochs: Epochs of its training.
        minutes: Time of its training, in one process of one thread; ``None`` if it was interrupted.
        rows: The compared networks.
    """

    key: str
    epochs: int
    minutes: float | None
    rows: tuple[Compared, ...]


def main(run_dir: Path, folder: Path) -> None:
    """Reads the run and writes the three files."""
    alone = read_alone(run_dir)
    supernets = [read_supernet(run_dir, key, alone) for key in NAMES]
    write_csv(folder / "networks.csv", raw(alone, supernets))
    write_text(folder / "results.md", markdown(supernets))
    save(draw(supernets), folder / "results.svg")
    print(markdown(supernets), end="")


def read_alone(run_dir: Path) -> list[dict[str, Any]]:
    """The networks that were trained alone, in the order of their MACs."""
    records = [read_json(path) for path in run_dir.glob("alone/*/alone.json")]
    if len(records) < 2:
        raise UserError(
            f"{run_dir} holds no networks that were trained alone; run.py of this folder makes them"
        )
    return sorted(records, key=lambda item: int(item["macs"]))


def read_supernet(run_dir: Path, key: str, alone: Sequence[Mapping[str, Any]]) -> Supernet:
    """A supernet with its networks' inherited accuracies."""
    variant = key.removesuffix("_shared")
    column = "calibrated_correct" if key == variant else "shared_correct"
    path = run_dir / variant / "inherited" / "inherited.csv"
    inherited = {row["code"]: int(row[column]) for row in scripts.read_rows(path)}
    record = read_json(run_dir / variant / "supernet" / "step.json")
    rows = (Compared(**item, inherited_correct=inherited[item["code"]]) for item in alone)
    minutes = None if record["resumed"] else record["seconds"] / 60
    return Supernet(key, record["settings"]["train"]["epochs"], minutes, tuple(rows))


def raw(alone: Sequence[Mapping[str, Any]], supernets: Sequence[Supernet]) -> list[dict[str, object]]:
    """A row for each network: its description, and its correctly classified images in each way."""
    columns = [{row.code: row.inherited_correct for row in item.rows} for item in supernets]
    return [
        {
            **item,
            **{
                f"{s.key}_correct": column[item["code"]] for s, column in zip(supernets, columns, strict=True)
            },
        }
        for item in alone
    ]


def markdown(supernets: Sequence[Supernet]) -> str:
    """Both tables."""
    networks, images = len(supernets[0].rows), supernets[0].rows[0].images
    head = [
        f"{networks} networks on {images:,} test images that no training saw. In brackets: 95 % bootstrap",
        f"intervals over the networks, {RESAMPLES:,} draws.",
        "",
    ]
    control = agreement(supernets[0].rows).macs_kendall_tau
    foot = ["", f"Control: multiply-accumulates alone rank the networks with τ {control}.", ""]
    return "\n".join([*head, *ranking(supernets), *foot, *accuracies(supernets)]) + "\n"


def ranking(supernets: Sequence[Supernet]) -> list[str]:
    """The table of rank correlations."""
    lines = [
        f"| supernet | epochs | minutes | Kendall τ | τ without the extremes | Spearman | best {TOP} found |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for item in supernets:
        overall, inner = agreement(item.rows), agreement(tuple(random_only(item.rows)))
        minutes = "" if item.minutes is None else f"{item.minutes:.0f}"
        cells = [overall.kendall_tau, inner.kendall_tau, overall.spearman, overall.precision_at_top]
        shown = " | ".join(str(cell) for cell in (NAMES[item.key], item.epochs, minutes, *cells))
        lines.append(f"| {shown} |")
    return lines


def accuracies(supernets: Sequence[Supernet]) -> list[str]:
    """Accuracies with the supernets' weights, beside those of the networks trained alone."""
    rows = supernets[0].rows
    lines = [
        "| accuracy, % | smallest | largest | mean of all | gained by training alone, points |",
        "|---|---:|---:|---:|---:|",
        f"| trained alone | {' | '.join(summary([(row.role, row.alone) for row in rows]))} | |",
    ]
    for item in supernets:
        cells = summary([(row.role, row.inherited) for row in item.rows])
        lines.append(f"| {NAMES[item.key]} | {' | '.join(cells)} | {agreement(item.rows).gap_points} |")
    return lines


def summary(values: Sequence[tuple[str, float]]) -> list[str]:
    """The smallest's accuracy, the largest's, and the mean, in percent."""
    by_role = dict(values)
    mean = sum(value for _, value in values) / len(values)
    return [f"{100 * value:.1f}" for value in (by_role["smallest"], by_role["largest"], mean)]


@functools.cache
def agreement(rows: tuple[Compared, ...]) -> Agreement:
    """The agreement of inherited and stand-alone accuracies."""
    return Agreement.of(rows, top=TOP, resamples=RESAMPLES, seed=0)


def draw(supernets: Sequence[Supernet]) -> Any:
    """All calibrated supernets in one picture."""
    by_key = {item.key: item for item in supernets}
    groups = [
        TrustGroup(
            name=NAMES[key], colour=colour, marker=marker, points=[point(row) for row in by_key[key].rows]
        )
        for key, (colour, marker) in LOOKS.items()
    ]
    return draw_trust(groups)


def point(row: Compared) -> TrustPoint:
    """A network in the picture."""
    return TrustPoint(
        inherited_correct=row.inherited_correct, alone_correct=row.alone_correct, images=row.images
    )


if __name__ == "__main__":
    scripts.summarise(main, __doc__)
