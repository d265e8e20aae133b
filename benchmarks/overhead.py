"""The overhead of a search: ``python benchmarks/overhead.py [EVALUATIONS] [SAMPLER …]``.

Goal: sampler, storage and bookkeeping take at most 5 % of a search's wall time at 1,000 evaluations of the
quickstart's supernet (``tiny_24`` on digits; its weights are untrained, which does not affect times). Each
search takes about a minute on one core. Wall time counts, so the machine has to be quiet.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported

import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import torch

from nas.hardware import Device, detect
from nas.latency.estimate.roofline import roofline_table
from nas.network import NetworkSpec
from nas.nn import Supernet
from nas.search import Goals, Problem, Study, accuracy, latency, make_sampler, search
from nas.space import SearchSpace
from nas.training.data import load_data
from nas.training.data.batches import Normalization
from nas.training.evaluation import SubnetEvaluator
from nas.training.optimization import Compute

SAMPLERS = ("nsga2", "nsga3", "random", "predictor")


def evaluator(space: SearchSpace) -> SubnetEvaluator:
    """The quickstart's evaluator of subnets."""
    splits = load_data("digits", seed=0, validation_fraction=0.2, test_fraction=0.2)
    torch.manual_seed(0)
    return SubnetEvaluator.of(
        Supernet(space, classes=len(splits.classes), input_channels=splits.channels),
        train=splits.train,
        validation=splits.validation,
        normalize=Normalization.measure(splits.train, seed=0),
        compute=Compute.choose("cpu", "none"),
        calibration_images=512,
        seed=0,
    )


def measure(name: str, judge: SubnetEvaluator, space: SearchSpace, evaluations: int) -> None:
    """Prints the share of wall time outside evaluations."""
    device = Device(name="any", runtime="none", peak_flops=(("fp32", 1e11),), bandwidth_bytes_per_s=1e10)
    table = roofline_table(space.block_specs(classes=10, input_channels=1), device=device)

    def score(networks: Sequence[NetworkSpec]) -> list[float]:
        return [judge.accuracy(network).value for network in networks]

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        study = Study(
            problem=Problem(space, 10, 1),
            goals=Goals([accuracy(score), latency(table)]),
            sampler=make_sampler(name),
            trials=evaluations,
            seed=0,
        )
        result = search(study, folder=Path(folder))
        wall = time.perf_counter() - start
    inside = sum(evaluation.seconds for evaluation in result.evaluations)
    each = 1000 * (wall - inside) / evaluations
    print(
        f"  {name:12}{wall:7.1f} s, {1000 * inside / evaluations:.1f} ms per evaluation, "
        f"{each:.2f} ms beside it: {(wall - inside) / wall:.1%}",
        flush=True,
    )


def main(evaluations: int, samplers: Sequence[str]) -> None:
    """Prints one line for each sampler."""
    packages = ("numpy", "torch", "optuna")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    machine = detect()
    print(f"{machine['cpu']}, {machine['cores']} cores; Python {platform.python_version()}, {versions}")
    print(f"{evaluations} evaluations of the quickstart's supernet, wall time; goal: at most 5 % beside them")
    space = SearchSpace.load("tiny_24")
    judge = evaluator(space)
    for name in samplers:
        measure(name, judge, space, evaluations)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, sys.argv[2:] or SAMPLERS)
