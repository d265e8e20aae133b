"""Published networks of the Once-for-All supernet, for the benchmarks."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.latency.estimate.whole_networks import Measured
from nas.space import Architecture, SearchSpace

FILE = Path(__file__).resolve().parents[2] / "shared" / "data" / "ofa_mbv3_imagenet_top1.csv"
SPACE = "ofa_mobilenet_v3"


def read(path: Path = FILE) -> tuple[SearchSpace, IntArray, FloatArray]:
    """The space, the networks' rows (540, genes), and their ImageNet top-1 accuracy in percent, (540,)."""
    if not path.is_file():
        sys.exit(f"{path} is missing: kernels, expansions, depths, resolution and top-1 of 540 networks")
    space = SearchSpace.load(SPACE)
    with path.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    rows = space.encode([_architecture(row) for row in lines])
    return space, rows, np.array([float(row["imagenet_top1_percent"]) for row in lines])


def read_latencies(path: Path, setting: str) -> Measured:
    """HELP's 2,500 networks (Lee et al. 2021) and their latencies in a setting, such as ``v100-batch1``."""
    space = SearchSpace.load(SPACE)
    with path.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    rows = space.encode([space.canonical(_architecture(line)) for line in lines])
    return Measured(rows, np.array([float(line[f"{setting.replace('-', '_')}_ms"]) for line in lines]))


def _architecture(row: dict[str, str]) -> Architecture:
    depths = [int(value) for value in row["depths"].split()]
    stages = []
    for number, depth in enumerate(depths):
        stage: dict[str, object] = {"depth": depth}
        for name, column in (("kernel", "kernel_sizes"), ("expand", "expand_ratios")):
            values = [int(value) for value in row[column].split()]
            places = len(values) // len(depths)
            stage[name] = values[number * places : number * places + depth]
        stages.append(stage)
    return Architecture.from_dict({"resolution": int(row["resolution"]), "stages": stages})
