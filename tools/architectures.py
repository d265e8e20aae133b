"""Draws the architectures of ``docs/cost.md``: published accuracy against MACs, and the front by year.

    python -m tools.architectures docs/pictures

It writes ``architectures.png``, as ``tools.screenshots`` does with the other pictures. Accuracies are facts
of ``architectures.csv``, each with its source; MACs are those of the reference networks.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from nas.network import reference_network
from nas.report.figures import style
from nas.report.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PINK, RED, SKY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FACTS = Path(__file__).with_suffix(".csv")
COLOURS = {2015: GREY, 2018: INK, 2019: ORANGE, 2020: SKY, 2021: BLUE, 2022: GREEN, 2024: RED}
FRONTS = {2018: INK, 2019: ORANGE, 2024: PINK}
"""The years after which the front is drawn, and its colour."""


@final
@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network with its published accuracy.

    Attributes:
        network: Name of the reference network.
        label: Its usual name.
        year: Year of its first preprint.
        top1: ImageNet top-1 accuracy in percent.
        source: Where the accuracy was published.
    """

    network: str
    label: str
    year: int
    top1: float
    source: str

    @property
    def macs(self) -> float:
        """Billions of multiply-accumulates for one image."""
        return reference_network(self.network).macs / 1e9


def read_architectures() -> tuple[Architecture, ...]:
    """Reads the facts."""
    with FACTS.open(encoding="utf-8") as stream:
        return tuple(
            Architecture(
                network=row["network"],
                label=row["label"],
                year=int(row["year"]),
                top1=float(row["top1_percent"]),
                source=row["source"],
            )
            for row in csv.DictReader(stream)
        )


def front_until(year: int, every: Sequence[Architecture]) -> list[Architecture]:
    """The networks of a year or before that no other one of them beats in accuracy with fewer MACs."""
    front: list[Architecture] = []
    for each in sorted((each for each in every if each.year <= year), key=lambda each: each.macs):
        if not front or each.top1 > front[-1].top1:
            front.append(each)
    return front


@style.styled
def draw_architectures(every: Sequence[Architecture]) -> Figure:
    """Draws all networks, and the fronts of ``FRONTS``."""
    figure, axes = style.new_figure(8.2, 5.4)
    for year, colour in COLOURS.items():
        own = [each for each in every if each.year == year]
        x, y = [each.macs for each in own], [each.top1 for each in own]
        axes.scatter(x, y, s=46, color=colour, edgecolors="white", zorder=3, label=str(year))
    right, lines = 1.05 * max(each.macs for each in every), list[tuple[float, float]]()
    for year, colour in FRONTS.items():
        corners = _corners(front_until(year, every), right)
        axes.plot(*zip(*corners, strict=True), color=colour, linewidth=1.4, alpha=0.6, zorder=1)
        axes.annotate(
            f"front {year}",
            corners[-1],
            (0, 3),
            textcoords="offset points",
            ha="right",
            color=colour,
            fontsize=9,
        )
        lines += style.between(corners)
    axes.set_xscale("log")
    axes.set_xlabel("MACs of one image, billions")
    axes.set_ylabel("published ImageNet top-1 (%)")
    ticks = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.margins(0.09)
    axes.legend(loc="lower right", ncols=2, fontsize=9, title="first preprint")
    style.label_points(axes, [(each.macs, each.top1, each.label, INK) for each in every], avoid=lines)
    return figure


def _corners(front: Sequence[Architecture], right: float) -> list[tuple[float, float]]:
    """The corners of a front's steps, to the right end of the picture."""
    ends = [each.macs for each in front[1:]] + [right]
    pairs = zip(front, ends, strict=True)
    return [corner for each, end in pairs for corner in ((each.macs, each.top1), (end, each.top1))]


def write_architectures(folder: Path) -> Path:
    """Writes the picture into a folder."""
    path = folder / "architectures.png"
    style.save(draw_architectures(read_architectures()), path)
    return path


def main(arguments: Sequence[str]) -> int:
    """Runs the command line."""
    if len(arguments) != 1:
        print(__doc__)
        return 2
    print(write_architectures(Path(arguments[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
