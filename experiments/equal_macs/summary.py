"""The tables and the picture of the results of ``run.py``.

    python experiments/equal_macs/summary.py NETWORKS.csv FOLDER

The script writes ``results.md`` and ``results.svg`` into FOLDER.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
from scripts import Row

from nas.files import write_text
from nas.report.figures.style import BLUE, ORANGE, save
from nas.report.figures.trust import TrustGroup, TrustPoint, draw_trust
from nas.statistics import bootstrap
from nas.training.trust import BAND, Compared, Ranking, calibrating, mean_gap_points, random_only, ranking

NAMES = {"sandwich": "sandwich rule", "fairnas": "FairNAS"}
LOOKS = {"sandwich": (BLUE, "o"), "fairnas": (ORANGE, "s")}
SEEDS = ("alone_0_correct", "alone_1_correct")
BANDS = 4
RESAMPLES = 2_000


def main(path: Path, folder: Path) -> None:
    """Reads the raw numbers and writes both files."""
    rows = scripts.read_rows(path)
    text = "\n".join([*heading(rows), *rankings(rows), *calibrations(rows), *gaps(rows)]) + "\n"
    write_text(folder / "results.md", text)
    save(draw_trust([group(rows, name) for name in NAMES]), folder / "results.svg")
    print(text, end="")


def seeds(row: Row) -> list[str]:
    """The columns of a network's accuracies alone, of the seeds that are trained."""
    return [column for column in SEEDS if row[column]]


def compared(row: Row, score: str, *, truth: Sequence[str]) -> Compared:
    """A network with two accuracies.

    Args:
        row: The network's row.
        score: The column of its accuracy in a supernet, or of one seed.
        truth: The columns of its accuracy alone, whose mean counts.
    """
    return Compared(
        role=row["role"],
        code=row["code"],
        resolution=int(row["resolution"]),
        macs=int(row["macs"]),
        params=int(row["params"]),
        images=len(truth) * int(row["images"]),
        inherited_correct=len(truth) * int(row[score]),
        alone_correct=sum(int(row[column]) for column in truth),
        seconds=0.0,
    )


def inherited(rows: Sequence[Row], name: str) -> list[Compared]:
    """The networks with a supernet's weights, and alone."""
    return [compared(row, f"{name}_correct", truth=seeds(row)) for row in rows]


def heading(rows: Sequence[Row]) -> list[str]:
    """What the tables are about."""
    return [
        f"{len(rows)} networks on {int(rows[0]['images']):,} test images: the smallest, the largest, and",
        f"{len(rows) - 2} in {BANDS} bands of cost. {len(twice(rows))} are trained alone with two seeds,",
        "whose mean accuracy counts, the others with one.",
        f"Within bands: pairs of networks whose MACs are within ± {100 * BAND:.0f} % of one number.",
        f"In brackets: 95 % bootstrap intervals over the networks, {RESAMPLES:,} draws.",
        "",
    ]


def twice(rows: Sequence[Row]) -> list[Row]:
    """The networks that are trained with both seeds."""
    return [row for row in rows if seeds(row) == list(SEEDS)]


def rankings(rows: Sequence[Row]) -> list[str]:
    """How supernets and MACs rank the networks, and how one seed ranks the other."""
    lines = [
        "| | Kendall τ | minus that of MACs | τ within bands | minus that of MACs within bands |",
        "|---|---:|---:|---:|---:|",
    ]
    first, second = SEEDS
    both = twice(rows)
    sets = {shown: inherited(rows, name) for name, shown in NAMES.items()}
    if 1 < len(both) < len(rows):  # what one seed tells of the other is to be compared on the same networks
        sets |= {f"{shown}, two seeds": inherited(both, name) for name, shown in NAMES.items()}
    pairs = [compared(row, second, truth=[first]) for row in both]
    for shown, some in {**sets, "one seed by the other": pairs}.items():
        every, near = taus(some)
        cells = (every.kendall_tau, every.advantage, near.kendall_tau, near.advantage)
        lines.append(f"| {shown} | {' | '.join(map(str, cells))} |")
    every, near = taus(next(iter(sets.values())))
    return [*lines, f"| multiply-accumulates | {every.macs_kendall_tau} | | {near.macs_kendall_tau} | |"]


def taus(some: Sequence[Compared]) -> tuple[Ranking, Ranking]:
    """The ranking of all networks, and within bands of equal cost."""
    every = ranking(some, resamples=RESAMPLES, seed=0)
    return every, ranking(random_only(some), resamples=RESAMPLES, seed=0, band=BAND)


def calibrations(rows: Sequence[Row]) -> list[str]:
    """What supernet, MACs and parameters predict together, of networks that calibrated nothing."""
    columns = (
        "τ, one left out",
        "minus τ of the supernet",
        "τ, band left out",
        "minus τ of MACs",
        "error, points",
    )
    lines = [
        "",
        f"| with MACs and parameters | {' | '.join(columns)} |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, shown in NAMES.items():
        found = calibrating(random_only(inherited(rows, name)), resamples=RESAMPLES, seed=0, bands=BANDS)
        if found is not None:
            taus = (found.one_out, found.over_supernet, found.band_out, found.advantage)
            cells = (*taus, f"{found.error_points:.2f}")
            lines.append(f"| {shown} | {' | '.join(map(str, cells))} |")
    return lines if len(lines) > 3 else []


def gaps(rows: Sequence[Row]) -> list[str]:
    """The points that networks gain when they are trained alone, by bands."""
    numbers = np.array_split(np.arange(len(rows) - 2), BANDS)
    bands = [f"band {number}" for number in range(1, BANDS + 1)]
    lines = [
        "",
        f"| gained alone, points | smallest | {' | '.join(bands)} | largest | all |",
        f"|---|{'---:|' * (BANDS + 3)}",
    ]
    for name, shown in NAMES.items():
        found = inherited(rows, name)
        by_role = {row.role: row for row in found}
        some = sorted(random_only(found), key=lambda row: row.macs)
        groups = [
            [by_role["smallest"]],
            *([some[n] for n in part] for part in numbers),
            [by_role["largest"]],
            found,
        ]
        lines.append(f"| {shown} | {' | '.join(gap(each) for each in groups)} |")
    return lines


def gap(some: Sequence[Compared]) -> str:
    """The mean gain, with its interval where it is the mean of several networks."""
    pairs = [row.inherited for row in some], [row.alone for row in some]
    if len(some) == 1:
        return f"{mean_gap_points(*map(np.array, pairs)):.1f}"
    return str(bootstrap(mean_gap_points, *pairs, seed=0, resamples=RESAMPLES))


def group(rows: Sequence[Row], name: str) -> TrustGroup:
    """A supernet's networks in the picture."""
    colour, marker = LOOKS[name]
    points = [
        TrustPoint(
            inherited_correct=row.inherited_correct, alone_correct=row.alone_correct, images=row.images
        )
        for row in inherited(rows, name)
    ]
    return TrustGroup(name=NAMES[name], colour=colour, marker=marker, points=points)


if __name__ == "__main__":
    scripts.summarise(main, __doc__)
