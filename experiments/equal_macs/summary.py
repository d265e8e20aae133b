"""The tables and the picture of the results of ``run.py``.

    python experiments/equal_macs/summary.py NETWORKS.csv FOLDER

The script writes ``results.md`` and ``results.svg`` into FOLDER. What ``finals.py`` has written is read from
finals.csv beside NETWORKS.csv, if it is there.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
from scripts import Row

from nas.files import read_csv, write_text
from nas.report.figures.style import BLUE, ORANGE, save
from nas.report.figures.trust import TrustGroup, TrustPoint, draw_trust
from nas.statistics import Z95, Interval, bootstrap
from nas.training.trust import BAND, Compared, Ranking, calibrating, mean_gap_points, random_only, ranking

NAMES = {"sandwich": "sandwich rule", "fairnas": "FairNAS"}
LOOKS = {"sandwich": (BLUE, "o"), "fairnas": (ORANGE, "s")}
SEEDS = ("alone_0_correct", "alone_1_correct")
RATES = ("0.03", "0.1", "0.3")
"""Learning rates of the short trainings of ``finals.py``, as shares of the supernet's."""
BANDS = 4
CANDIDATES = 8
FINALISTS = 4
OTHER = "other seed"
RESAMPLES = 2_000


def main(path: Path, folder: Path) -> None:
    """Reads the raw numbers and writes both files."""
    rows = with_finals(scripts.read_rows(path), path.with_name("finals.csv"))
    parts = (heading, rankings, calibrations, gaps, choices)
    text = "\n".join(line for part in parts for line in part(rows)) + "\n"
    write_text(folder / "results.md", text)
    save(draw_trust([group(rows, name) for name in NAMES]), folder / "results.svg")
    print(text, end="")


def with_finals(rows: Sequence[Row], path: Path) -> list[Row]:
    """The rows, with the networks' accuracies after short trainings where there are any."""
    found = {row["code"]: row for row in read_csv(path)} if path.is_file() else {}
    return [{**row, **found.get(row["code"], {})} for row in rows]


def tuned(rows: Sequence[Row]) -> dict[str, str]:
    """The short trainings that all networks have, and what they are called."""
    every = {f"{name}_{rate}": f"{NAMES[name]}, tuned at {rate}" for name in NAMES for rate in RATES}
    return {name: shown for name, shown in every.items() if all(row.get(f"{name}_correct") for row in rows)}


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
    once = len(rows) > len(twice(rows))
    number = len(twice(rows)) if once else "All"
    return [
        f"{len(rows)} networks on {int(rows[0]['images']):,} test images: the smallest, the largest, and",
        f"{len(rows) - 2} in {BANDS} bands of cost. {number} are trained alone with two seeds,",
        f"whose mean accuracy counts{', the others with one' if once else ''}.",
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
    sets |= {shown: inherited(rows, column) for column, shown in tuned(rows).items()}
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


def choices(rows: Sequence[Row]) -> list[str]:
    """What it is worth to choose among networks of equal MACs by each of several scores.

    The candidates are all sets of ``CANDIDATES`` networks of a band. The choice's accuracy is that of a seed
    that took no part in it, above the mean of the band.
    """
    bands = [band for band in banded(rows) if len(band) > CANDIDATES and twice(band) == band]
    if not bands:
        return []
    lines = [
        "",
        f"| chosen among {CANDIDATES} of equal MACs by | points above their mean | above MACs |",
        "|---|---:|---:|",
    ]
    macs = gains(bands, "macs", "")
    for shown, (first, second) in ways(rows).items():
        found = gains(bands, first, second)
        lines.append(f"| {shown} | {jackknife(found)} | {jackknife(found - macs)} |")
    return [*lines, "", f"Of {len(bands)} bands; in brackets: 95 % jackknife intervals over the networks."]


def banded(rows: Sequence[Row]) -> list[list[Row]]:
    """The networks of each band, from the cheapest to the most expensive one."""
    some = sorted((row for row in rows if row["role"] == "random"), key=lambda row: int(row["macs"]))
    return [[some[n] for n in part] for part in np.array_split(np.arange(len(some)), BANDS)]


def ways(rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    """Ways to choose: the column that decides, or the one that names finalists and the one that decides."""
    found = {"multiply-accumulates": ("macs", "")}
    for name, supernet in NAMES.items():
        first = f"{name}_correct"
        found[supernet] = (first, "")
        for column, shown in tuned(rows).items():
            if column.startswith(name):
                found[f"{shown}: {FINALISTS} finalists"] = (first, f"{column}_correct")
        found[f"{supernet}: {FINALISTS} finalists trained alone"] = (first, OTHER)
    return {**found, f"all {CANDIDATES} trained alone": (OTHER, "")}


def gains(bands: Sequence[Sequence[Row]], first: str, second: str) -> np.ndarray:
    """The points of the choice above the mean, with all networks and without each, (bands, 1 + networks).

    The rows of bands with fewer networks than others end with NaN.
    """
    found = np.full((len(bands), 1 + max(map(len, bands))), math.nan)
    for number, band in enumerate(bands):
        sets = np.array(list(itertools.combinations(range(len(band)), CANDIDATES)))
        points = np.mean([of_sets(band, sets, first, second, judge) for judge in range(len(SEEDS))], axis=0)
        found[number, 0] = points.mean()
        for left_out in range(len(band)):
            found[number, 1 + left_out] = points[~(sets == left_out).any(axis=1)].mean()
    return found


def of_sets(band: Sequence[Row], sets: np.ndarray, first: str, second: str, judge: int) -> np.ndarray:
    """The points of the choice from each set above the set's mean, by the accuracies of one seed."""

    def scores(column: str) -> np.ndarray:
        return np.array([float(row[SEEDS[1 - judge] if column == OTHER else column]) for row in band])

    chosen = sets
    if second:
        best = np.argsort(-scores(first)[sets], axis=1, kind="stable")[:, :FINALISTS]
        chosen = np.take_along_axis(sets, best, axis=1)
    decided = scores(second or first)[chosen].argmax(axis=1)
    accuracies = 100 * scores(SEEDS[judge]) / int(band[0]["images"])
    return accuracies[chosen[np.arange(len(sets)), decided]] - accuracies[sets].mean(axis=1)


def jackknife(found: np.ndarray) -> Interval:
    """The mean over the bands of a value, with the interval by leaving out each network once (Efron 1982)."""
    variance = 0.0
    for row in found:
        others = row[1:][~np.isnan(row[1:])]
        variance += (len(others) - 1) * float(others.var()) / len(found) ** 2
    value, half = float(found[:, 0].mean()), Z95 * math.sqrt(variance)
    return Interval(value=value, low=value - half, high=value + half)


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
