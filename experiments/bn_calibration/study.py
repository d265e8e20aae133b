"""The effect of the number of BatchNorm calibration images: rank correlation, accuracy and time.

    python experiments/bn_calibration/study.py NETWORKS.csv FOLDER run_dir=RUN [SETTING=VALUE ...]

RUN contains a supernet that ``nas train`` has trained with the same settings. NETWORKS.csv has a row for each
compared network: its ``code``, and the images that it classifies correctly when trained alone,
``alone_correct`` of ``images``. ``nas trust`` writes such a file, and so does the experiment
``supernet_cifar10``. The script writes ``raw.csv`` (row by row: interrupt it at any time and give the same
command again), ``results.md``, ``ranking.svg`` and ``accuracy.svg`` into FOLDER.
"""

from __future__ import annotations

import csv
import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for jobs.py

from jobs import configured

from nas.cli.steps.context import Context
from nas.cli.steps.supernet import supernet as supernet_step
from nas.errors import UserError
from nas.files import write_text
from nas.report.figures.style import BLUE, error_bar, new_figure, save, styled
from nas.statistics import bootstrap, kendall_tau, spearman
from nas.training.history_csv import write_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nas.space import Architecture
    from nas.training.evaluation import SubnetEvaluator

COUNTS = (0, 64, 256, 1024, 2048, 4096, 8192)
"""Numbers of calibration images; 0 uses the shared statistics of training."""

SEEDS = (0, 1, 2)
"""Seeds of the calibration images."""


@dataclass(frozen=True)
class Evaluated:
    """One subnet, evaluated after calibration on a number of images.

    Attributes:
        count: Calibration images.
        seed: Their seed.
        code: The subnet.
        correct: Correctly classified search-validation images.
        images: Number of search-validation images.
        extract_s: Seconds of extracting and calibrating.
        evaluate_s: Seconds of evaluating.
    """

    count: int
    seed: int
    code: str
    correct: int
    images: int
    extract_s: float
    evaluate_s: float


def main(networks: Path, folder: Path, settings: Sequence[str]) -> None:
    """Runs missing measurements, then writes the table and the pictures."""
    alone = read_alone(networks)
    rows = measure(list(alone), folder / "raw.csv", settings)
    results = [Result.of(count, rows, alone) for count in sorted({row.count for row in rows})]
    text = markdown(results, networks=len(alone), images=rows[0].images)
    write_text(folder / "results.md", text)
    save(draw(results, "Kendall τ with stand-alone accuracy", lambda r: r.tau), folder / "ranking.svg")
    save(draw(results, "mean accuracy (%)", lambda r: r.accuracy), folder / "accuracy.svg")
    print(text, end="")


def read_alone(path: Path) -> dict[str, float]:
    """Stand-alone accuracies by code."""
    if not path.is_file():
        raise UserError(f"{path} does not exist; `nas trust` writes such a file as trust/networks.csv")
    with path.open(newline="", encoding="utf-8") as stream:
        return {row["code"]: int(row["alone_correct"]) / int(row["images"]) for row in csv.DictReader(stream)}


def measure(codes: Sequence[str], path: Path, settings: Sequence[str]) -> list[Evaluated]:
    """Evaluates all subnets after each calibration that ``path`` lacks, and appends the rows."""
    rows = read_rows(path) if path.is_file() else []
    done = {(row.count, row.seed) for row in rows}
    todo = [(count, seed) for seed in SEEDS for count in COUNTS if count or not seed]
    todo = [item for item in todo if item not in done]
    if not todo:
        return rows
    context = configured(settings)
    archs = [context.space.parse(code) for code in codes]
    for count, seed in todo:
        if count > len(context.data.splits.train):
            print(f"{count} images: skipped, there are only {len(context.data.splits.train)} training images")
            continue
        evaluator = make_evaluator(context, count=count, seed=seed)
        rows += [evaluate(context, evaluator, arch, count=count, seed=seed) for arch in archs]
        write_csv(path, [dataclasses.asdict(row) for row in rows])
        print(f"{count} images, seed {seed}: done", flush=True)
    return rows


def read_rows(path: Path) -> list[Evaluated]:
    """The earlier measurements."""
    types = {"code": str, "extract_s": float, "evaluate_s": float}
    with path.open(newline="", encoding="utf-8") as stream:
        return [
            Evaluated(**{name: types.get(name, int)(value) for name, value in row.items()})
            for row in csv.DictReader(stream)
        ]


def make_evaluator(context: Context, *, count: int, seed: int) -> SubnetEvaluator:
    """An evaluator on the search-validation images, with ``count`` training images for calibration."""
    import torch

    from nas.training.data import subset

    evaluator = supernet_step.evaluator(context)
    train = context.data.splits.train
    drawn = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:count]
    return dataclasses.replace(evaluator, calibration=subset(train, drawn))


def evaluate(
    context: Context, evaluator: SubnetEvaluator, arch: Architecture, *, count: int, seed: int
) -> Evaluated:
    """Evaluates one subnet, with the shared statistics if there are no calibration images."""
    from nas.training import evaluation

    network = context.space.network(arch, classes=len(context.data.splits.classes))
    start = time.perf_counter()
    model = evaluator.extract(network) if count else evaluator.supernet.extract(network).eval()
    extracted = time.perf_counter()
    images = context.data.plain(evaluator.validation, resolution=network.resolution)
    accuracy = evaluation.evaluate(model, images, compute=context.compute)
    end = time.perf_counter()
    return Evaluated(
        count=count,
        seed=seed,
        code=str(arch),
        correct=accuracy.correct,
        images=accuracy.total,
        extract_s=round(extracted - start, 4),
        evaluate_s=round(end - extracted, 4),
    )


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a number of calibration images, with one value per seed.

    Attributes:
        count: Calibration images.
        tau: Kendall τ between inherited and stand-alone accuracy.
        rho: Spearman's correlation.
        accuracy: Mean inherited accuracy in percent.
        interval: Bootstrap interval of the first seed's τ over networks, as text.
        extract_s: Median seconds of extracting and calibrating a subnet.
        evaluate_s: Median seconds of evaluating it.
    """

    count: int
    tau: tuple[float, ...]
    rho: tuple[float, ...]
    accuracy: tuple[float, ...]
    interval: str
    extract_s: float
    evaluate_s: float

    @classmethod
    def of(cls, count: int, rows: Sequence[Evaluated], alone: dict[str, float]) -> Result:
        """The result from the rows with this number of images."""
        own = [row for row in rows if row.count == count]
        pairs = [
            (
                [row.correct / row.images for row in own if row.seed == seed],
                [alone[row.code] for row in own if row.seed == seed],
            )
            for seed in sorted({row.seed for row in own})
        ]
        return cls(
            count=count,
            tau=tuple(kendall_tau(*pair) for pair in pairs),
            rho=tuple(spearman(*pair) for pair in pairs),
            accuracy=tuple(100 * statistics.fmean(inherited) for inherited, _ in pairs),
            interval=str(bootstrap(kendall_tau, *pairs[0], seed=0)),
            extract_s=statistics.median(row.extract_s for row in own),
            evaluate_s=statistics.median(row.evaluate_s for row in own),
        )


def markdown(results: Sequence[Result], *, networks: int, images: int) -> str:
    """The table."""
    lines = [
        f"{networks} networks. Inherited accuracy on {images:,} search-validation images: mean over",
        f"{len(SEEDS)} draws of calibration images, and the range. The interval is the first draw's, 95 %",
        "by bootstrap over the networks. Seconds: the median subnet's, to calibrate and to evaluate it.",
        "",
        "| images | Kendall τ | interval | Spearman | accuracy, % | calibrate, s | evaluate, s |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for item in results:
        cells = [
            f"{item.count:,}" if item.count else "0 (shared statistics)",
            spread(item.tau, digits=3),
            item.interval,
            spread(item.rho, digits=3),
            spread(item.accuracy, digits=2),
            f"{item.extract_s:.2f}",
            f"{item.evaluate_s:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def spread(values: Sequence[float], *, digits: int) -> str:
    """The mean, and the range if there is one."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


@styled
def draw(results: Sequence[Result], what: str, values: Callable[[Result], tuple[float, ...]]) -> Figure:
    """Draws mean and range against the number of images, with the shared statistics at the left."""
    figure, axes = new_figure(6.4, 3.4)
    positions = range(len(results))
    means = [statistics.fmean(values(item)) for item in results]
    ranges = [(min(values(item)), max(values(item))) for item in results]
    bars = [error_bar(mean, *ends) for mean, ends in zip(means, ranges, strict=True)]
    axes.errorbar(
        positions, means, yerr=list(zip(*bars, strict=True)), color=BLUE, marker="o", linewidth=1.6, capsize=3
    )
    axes.set_xticks(positions, [f"{item.count}" if item.count else "shared" for item in results])
    axes.set_xlabel("calibration images")
    axes.set_ylabel(what)
    return figure


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
    except UserError as error:
        sys.exit(f"error: {error}")
