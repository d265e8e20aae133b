"""The tables and the picture of the results of ``run.py``.

    python experiments/scaling/summary.py NETWORKS.csv FOLDER

NETWORKS.csv is the file of that name that ``run.py`` writes. The script writes ``results.md`` and
``results.svg`` into FOLDER.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts
from paired import RESAMPLES, points_ahead

from nas.files import write_text
from nas.report.figures.style import BLUE, GREEN, INK, ORANGE, PINK, RED, new_figure, save, styled

OURS = "latency"
NAMES = {
    "winner": "the winner",
    "latency": "each stage's depth, width, resolution (`latency`)",
    "compound": "depth, width, resolution by φ (`compound`)",
    "depth": "depth alone",
    "width": "width alone",
    "resolution": "resolution alone",
}
LOOKS = {
    "latency": (RED, "*"),
    "compound": (ORANGE, "o"),
    "depth": (BLUE, "^"),
    "width": (GREEN, "s"),
    "resolution": (PINK, "v"),
}

SIZES = (
    "| budget | scaled | depths | channels | px | M MACs | k params | predicted ms | used | ms | % right |",
    "|---:|---|---|---|---:|---:|---:|---:|---:|---:|---:|",
)
DIFFERENCES = (
    f"| budget | scaled | seeds | `{OURS}` ahead by, points | each seed | its measured latency / theirs |",
    "|---:|---|---:|---:|---:|---:|",
)


@dataclass(frozen=True)
class Result:
    """A scaled network with the results of all its seeds.

    Attributes:
        facts: Its sizes and latencies.
        seeds: The rows of networks.csv, one per seed.
    """

    facts: Mapping[str, str]
    seeds: tuple[Mapping[str, str], ...]

    @property
    def way(self) -> str:
        return self.facts["way"]

    @property
    def ratio(self) -> int:
        return int(self.facts["ratio"])

    def number(self, name: str) -> float:
        """One of the facts."""
        return float(self.facts[name])

    @property
    def accuracies(self) -> np.ndarray:
        """The accuracy of each seed, in percent."""
        return np.array([100 * int(row["correct"]) / int(row["images"]) for row in self.seeds])


def main(path: Path, folder: Path) -> None:
    """Reads the raw numbers and writes both files."""
    results = read(path)
    write_text(folder / "results.md", markdown(results))
    save(draw(results), folder / "results.svg")
    print(markdown(results), end="")


def read(path: Path) -> list[Result]:
    """The results in the order of the file."""
    groups: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for row in scripts.read_rows(path):
        groups.setdefault((row["ratio"], row["way"]), []).append(row)
    return [Result(rows[0], tuple(rows)) for rows in groups.values()]


def markdown(results: Sequence[Result]) -> str:
    """Both tables."""
    images = int(results[0].seeds[0]["images"])
    head = [
        f"{images:,} test images that no training and no choice saw. The budget is 2 or 4 times the winner's",
        "predicted latency. Latencies are measured side by side (95 % interval). Accuracies: the mean, and",
        "each seed.",
        "",
    ]
    note = [
        "",
        f"Points that `{OURS}` is ahead of the other scalings of the same budget, on the same images, with",
        f"the same seeds. In brackets: 95 % bootstrap interval over seeds and images, {RESAMPLES:,} draws.",
        "",
    ]
    return "\n".join([*head, *sizes(results), *note, *differences(results)]) + "\n"


def sizes(results: Sequence[Result]) -> list[str]:
    """The table of networks."""
    winner = results[0]
    lines = list(SIZES)
    for each in results:
        number = each.number
        share = number("predicted_ms") / (each.ratio * winner.number("predicted_ms"))
        seeds = ", ".join(f"{value:.1f}" for value in each.accuracies)
        cells = (
            f"{each.ratio}×",
            NAMES[each.way],
            each.facts["depths"],
            each.facts["channels"],
            each.facts["resolution"],
            f"{number('macs') / 1e6:.2f}",
            f"{number('params') / 1e3:.0f}",
            f"{number('predicted_ms'):.3f}",
            f"{share:.0%}",
            f"{number('value_ms'):.3f} ({number('low_ms'):.3f} to {number('high_ms'):.3f})",
            f"{each.accuracies.mean():.1f} ({seeds})",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def differences(results: Sequence[Result]) -> list[str]:
    """The table of paired differences."""
    lines = list(DIFFERENCES)
    ours = {each.ratio: each for each in results if each.way == OURS}
    for each in results:
        if each.way in (OURS, "winner"):
            continue
        interval = points_ahead(each.seeds, ours="only_latency", theirs="only_this")
        seeds = ", ".join(f"{gain(row):+.1f}" for row in each.seeds)
        ratio = ours[each.ratio].number("value_ms") / each.number("value_ms")
        shown = f"{interval.value:+.1f} ({interval.low:+.1f} to {interval.high:+.1f})"
        lines.append(
            f"| {each.ratio}× | {NAMES[each.way]} | {len(each.seeds)} | {shown} | {seeds} | {ratio:.2f} |"
        )
    return lines


def gain(row: Mapping[str, str]) -> float:
    """The points that ``OURS`` is ahead with one seed."""
    return 100 * (int(row["only_latency"]) - int(row["only_this"])) / int(row["images"])


@styled
def draw(results: Sequence[Result]) -> Any:
    """Accuracy against measured latency: a line for each way of scaling, from the winner on."""
    figure, axes = new_figure(6.6, 4.6)
    winner = results[0]
    for way, (colour, marker) in LOOKS.items():
        line = [winner, *(each for each in results if each.way == way)]
        x = [each.number("value_ms") for each in line]
        y = [each.accuracies.mean() for each in line]
        axes.plot(x, y, color=colour, linewidth=1.2)
        for each, place in zip(line[1:], x[1:], strict=True):
            axes.scatter([place] * len(each.seeds), each.accuracies, s=6, color=colour, alpha=0.6)
        size = 110 if marker == "*" else 42
        name = NAMES[way].replace("`", "")
        axes.scatter(
            x[1:], y[1:], s=size, marker=marker, color=colour, edgecolors="white", zorder=3, label=name
        )
    axes.scatter(
        [winner.number("value_ms")], [winner.accuracies.mean()], s=42, color=INK, zorder=4, label="the winner"
    )
    axes.set_xscale("log")
    ticks = sorted({round(each.number("value_ms"), 2) for each in results if each.way in (OURS, "winner")})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("measured latency (ms, logarithmic)")
    axes.set_ylabel("accuracy on test images (%)")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


if __name__ == "__main__":
    scripts.summarise(main, __doc__)
