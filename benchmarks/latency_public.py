"""Tables from published whole-network latencies: ``python benchmarks/latency_public.py FOLDER``.

FOLDER holds ``ofa_mbv3_gpu_latency.csv``: 2,500 networks of ``ofa_mobilenet_v3``, measured by others on three
GPU settings (HELP, Lee et al. 2021). Each row is the mean over draws (seeds 0, 1, …) of one of

* ``random``: the model is fitted on random networks;
* ``chosen``: it is fitted on the most informative of 400 random ones (``nas.latency.plan.networks``), as when
  measuring a device; latencies play no role in the choice.

The model is tested on all other networks. Goals, on random draws:

* V100, batch 64, from 20: at most 1.8 %, at least 99 % within ±10 %, Spearman 0.996
* Titan Xp, batch 64, from 20: at most 3.6 %, Spearman 0.993; from 10 with the V100's table: at most 3 %
* V100, batch 1, from 100: at most 4.5 %, Spearman 0.89
* 100,000 predictions in at most 1 s
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from published import SPACE, read_latencies

from nas.arrays import IntArray
from nas.hardware import Device, describe_machine
from nas.latency import Figures, LatencyTable
from nas.latency.estimate.whole_networks import Data, fit_measured
from nas.latency.plan.networks import most_informative
from nas.space import SearchSpace

CANDIDATES = 400
MANY = 100_000
DEVICE = Device(name="gpu", runtime="unknown", provider="")
Draw = Callable[[Data, int, np.random.Generator], IntArray]


@dataclass(frozen=True)
class Setting:
    """One row.

    Attributes:
        column: The setting in the file.
        count: Networks for fitting the model.
        sibling: The setting of the table from which it starts, if any.
    """

    column: str
    count: int
    sibling: str | None = None


SETTINGS = (
    Setting("v100-batch64", 20),
    Setting("titan_xp-batch64", 20),
    Setting("titan_xp-batch64", 10, sibling="v100-batch64"),
    Setting("v100-batch64", 10, sibling="titan_xp-batch64"),
    Setting("v100-batch1", 100),
)


def drawn(data: Data, count: int, rng: np.random.Generator) -> IntArray:
    """Random networks."""
    return rng.choice(len(data.latency_ms), count, replace=False)


def informative(data: Data, count: int, rng: np.random.Generator) -> IntArray:
    """The networks that are most informative about the others."""
    candidates = rng.choice(len(data.latency_ms), CANDIDATES, replace=False)
    return candidates[most_informative(data.features[candidates], count)]


def judge(data: Data, count: int, draw: Draw, seed: int) -> tuple[Figures, Figures]:
    """The figures of a model, and those of a line through MACs, both fitted on one draw."""
    fitted_on = draw(data, count, np.random.default_rng(seed))
    others = np.setdiff1d(np.arange(len(data.latency_ms)), fitted_on)
    predicted = data.predict(data.fit(fitted_on), others)
    accuracy = data.judge(others, predicted, fitted_on=fitted_on)
    return accuracy.table, accuracy.macs


def show(name: str, figures: list[Figures]) -> None:
    """Prints means and standard deviations over the draws."""
    values = np.array([astuple(item) for item in figures], dtype=float)
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1)
    shares = " | ".join(f"{100 * mean[i]:.2f} ± {100 * spread[i]:.2f}" for i in range(3))
    ranks = " | ".join(f"{mean[i]:.4f} ± {spread[i]:.4f}" for i in range(3, 6))
    print(f"| {name} | {shares} | {ranks} |", flush=True)


def speed(table: LatencyTable, space: SearchSpace) -> None:
    """Prints the CPU seconds of many predictions, and compares some with single ones."""
    rows = space.sample_many(MANY, np.random.default_rng(0))
    took = []
    for _ in range(4):
        start = time.process_time()
        predicted = table.predict_many(space, rows)
        took.append(time.process_time() - start)
    one = [table.predict(space.network(arch)) for arch in space.decode(rows[:50])]
    np.testing.assert_allclose(predicted[:50], one, rtol=1e-9)
    seconds = f"first call {took[0]:.2f} s, next calls {min(took[1:]):.2f} s"
    print(f"\n{MANY:,} predictions of {table.name}: {seconds}")


def main(folder: Path, draws: int) -> None:
    """Prints a table in Markdown, with machine and versions."""
    space, path = SearchSpace.load(SPACE), folder / "ofa_mbv3_gpu_latency.csv"
    tables: dict[str, LatencyTable] = {}
    print(
        f"{describe_machine()}, Python {platform.python_version()}, numpy {np.__version__}; {draws} draws\n"
    )
    print(
        "| setting | MAPE, % | within ±5 %, % | within ±10 %, % | Spearman | Kendall τ | Spearman in bands |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for setting in SETTINGS:
        if setting.sibling and setting.sibling not in tables:
            measured = read_latencies(path, setting.sibling)
            tables[setting.sibling] = fit_measured(
                space, measured, device=DEVICE, name=setting.sibling, provenance={}
            )
        sibling = tables[setting.sibling] if setting.sibling else None
        data = Data.of(space, read_latencies(path, setting.column), sibling=sibling)
        name = f"{setting.column} from {setting.count}"
        name += f" and {setting.sibling}" if setting.sibling else ""
        for how, draw in (("random", drawn), ("chosen", informative)):
            figures = [judge(data, setting.count, draw, seed) for seed in range(draws)]
            show(f"{name}, {how}", [table for table, _ in figures])
            if how == "random":
                show(f"{name}, MACs alone", [macs for _, macs in figures])
    speed(tables["v100-batch64"], space)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10)
