"""The table and the picture of the results of ``run.py``.

    python experiments/deployment/summary.py runs/deployment FOLDER

It writes into FOLDER ``results.csv`` (every raw number), ``results.md`` (the tables) and ``results.svg``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latency import FILE
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for the scripts that experiments share

import scripts

from nas.deploy.formats import find_format
from nas.deploy.manifest import Artefact, read_manifest
from nas.errors import UserError
from nas.files import read_json, write_text
from nas.report.figures.style import BLUE, GREEN, ORANGE, save, styled
from nas.statistics import Count
from nas.training.history_csv import write_csv

COLOURS = {"fp32": BLUE, "fp16": GREEN, "int8": ORANGE}
BASE = "onnx"
HEAD = (
    "format",
    "test accuracy, %",
    "change, points",
    "same class, %",
    "largest error",
    "SQNR, dB",
    "kB (of FP32)",
    "time, ms (of FP32)",
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A network and its files.

    Attributes:
        name: Its name.
        trained: Test accuracy of its weights in PyTorch.
        files: Its files.
        latency: The entry of each format in ``latency.json``.
    """

    name: str
    trained: Count
    files: Sequence[Artefact]
    latency: Mapping[str, Mapping[str, Any]]

    def share_of_size(self, item: Artefact) -> float:
        """A file's size, relative to the one in FP32 ONNX."""
        return item.size_bytes / next(each.size_bytes for each in self.files if each.format == BASE)

    def share_of_time(self, item: Artefact) -> float | None:
        """A file's latency, relative to the one in FP32 ONNX; ``None`` if it was not measured."""
        own = self.latency.get(item.format)
        return None if own is None else float(own["ms"] / self.latency[BASE]["ms"])

    def change(self, item: Artefact) -> float | None:
        """A file's test accuracy less that in PyTorch, in points; ``None`` if it was not run."""
        if not item.test_total or item.test_correct is None:
            return None
        return 100 * (item.test_correct / item.test_total - self.trained.value)


def main(folder: Path, target: Path) -> None:
    """Reads the runs and writes the three files."""
    runs = [read(path) for path in sorted(folder.glob("*")) if (path / "deploy").is_dir()]
    if not runs:
        raise UserError(f"{folder} holds no exported networks; run.py of this folder makes them")
    write_csv(target / "results.csv", [raw(run, item) for run in runs for item in run.files])
    text = "\n".join(line for run in runs for line in table(run))
    write_text(target / "results.md", text)
    save(draw(runs), target / "results.svg")
    print(text, end="")


def read(path: Path) -> Run:
    """Reads the files that ``run.py`` has written for a network."""
    trained = read_json(path / "final" / "results.json")["networks"][0]
    return Run(
        name=path.name,
        trained=Count(trained["test_correct"], trained["test_total"]),
        files=read_manifest(path / "deploy"),
        latency=read_json(path / FILE)["formats"] if (path / FILE).is_file() else {},
    )


def raw(run: Run, item: Artefact) -> dict[str, Any]:
    """A row of the CSV file."""
    parity, latency = item.parity, run.latency.get(item.format, {})
    return {
        "network": run.name,
        "format": item.format,
        "bytes": item.size_bytes,
        "test_correct": item.test_correct,
        "test_total": item.test_total,
        "largest_relative_error": parity and parity.largest_relative_error,
        "top1_agreement": parity and parity.top1_agreement,
        "parity_images": parity and parity.images,
        "sqnr_db": parity and parity.sqnr_db,
        "latency_ms": latency.get("ms"),
        "latency_half_width": latency.get("half_width"),
        "latency_typical_ms": latency.get("typical_ms"),
        "versions": " ".join(f"{name}={version}" for name, version in item.versions.items()),
        "note": item.note,
    }


def table(run: Run) -> list[str]:
    """The table of one network."""
    low, high = (100 * value for value in run.trained.interval())
    exact = f"{100 * run.trained.value:.2f} % of {run.trained.total} test images in PyTorch"
    return [
        f"**{run.name}**, {exact} (95 %: {low:.1f} to {high:.1f})",
        "",
        f"| {' | '.join(HEAD)} |",
        "|---|" + "---:|" * (len(HEAD) - 1),
        *(line(run, item) for item in run.files),
        "",
    ]


def line(run: Run, item: Artefact) -> str:
    """A row of the table."""
    parity, change, latency = item.parity, run.change(item), run.latency.get(item.format)
    cells = [item.format]
    if parity is None or change is None:
        cells += ["not run here", "", "", "", ""]
    else:
        cells += [f"{100 * run.trained.value + change:.2f}", f"{change:+.2f}"]
        cells += [f"{100 * parity.top1_agreement:.1f}", f"{parity.largest_relative_error:.1e}"]
        cells += ["" if parity.sqnr_db is None else f"{parity.sqnr_db:.1f}"]
    cells += [f"{1e-3 * item.size_bytes:.0f} ({run.share_of_size(item):.0%})"]
    if latency is None:
        cells += ["not measured"]
    else:
        half = latency["ms"] * latency["half_width"]
        cells += [f"{latency['ms']:.3f} ± {half:.3f} ({run.share_of_time(item):.2f})"]
    return f"| {' | '.join(cells)} |"


@styled
def draw(runs: Sequence[Run]) -> Any:
    """A line for each format, the fastest first: its time and change of accuracy, a marker per network."""
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    times, changes = figure.subplots(1, 2, sharey=True)
    order = formats_by_time(runs)
    for run, marker in zip(runs, "os"[: len(runs)], strict=True):
        times.scatter([], [], marker=marker, color="grey", label=run.name)
        for item in run.files:
            colour = COLOURS[find_format(item.format).PRECISION]
            style = {"s": 45, "marker": marker, "color": colour, "edgecolors": "white", "zorder": 3}
            for axes, value in ((times, run.share_of_time(item)), (changes, run.change(item))):
                if value is not None:
                    axes.scatter(value, order.index(item.format), **style)
    times.axvline(1, color="grey", linewidth=0.8)
    changes.axvline(0, color="grey", linewidth=0.8)
    times.set_xscale("log")
    times.set_xticks(ticks := [0.5, 1, 2, 4], [f"{tick:g}" for tick in ticks])
    times.minorticks_off()
    times.set_yticks(range(len(order)), order)
    times.invert_yaxis()
    times.set_xlabel("time of one image (FP32 ONNX = 1)")
    changes.set_xlabel("change of test accuracy (points)")
    for axes in (times, changes):
        axes.grid(axis="y", linewidth=0.4)
    times.legend(loc="upper right")
    return figure


def formats_by_time(runs: Sequence[Run]) -> list[str]:
    """The formats, by their mean share of FP32's time; those without a time come last, by name."""
    shares: dict[str, list[float]] = {}
    for run in runs:
        for item in run.files:
            share = run.share_of_time(item)
            shares.setdefault(item.format, []).extend([] if share is None else [share])
    return sorted(shares, key=lambda name: (not shares[name], sum(shares[name]), name))


if __name__ == "__main__":
    scripts.summarise(main, __doc__)
