"""Cheap stand-ins for a trained supernet and a measured table, for the tests of the search."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.network import NetworkSpec
from nas.search import Goals, Objective, Problem, Study, accuracy, latency, make_sampler
from nas.space import SearchSpace

CLASSES = 10


class LinearTable:
    """A latency of 0.1 ms and 0.5 ms for each million multiply-accumulates."""

    def predict_many(
        self, space: SearchSpace, rows: IntArray, *, classes: int, input_channels: int | None
    ) -> FloatArray:
        return 0.1 + 0.5e-6 * space.costs(rows, classes=classes)["macs"]

    def is_estimate(self, network: NetworkSpec) -> bool:
        return network.resolution == 32


def smooth(network: NetworkSpec) -> float:
    """An accuracy that grows with cost, and more so with large kernels and few expansions."""
    blocks = [block.to_dict() for stage in network.stages for block in stage]
    kernels = sum(block["kernel"] == 5 for block in blocks) / len(blocks)
    expands = sum(float(block.get("expand", 1)) for block in blocks) / len(blocks)  # type: ignore[arg-type]
    return 0.9 - 0.5 * math.exp(-math.sqrt(network.macs / 1e6)) + 0.05 * kernels - 0.03 * expands


class Scorer:
    """Scores networks and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[NetworkSpec] = []

    def __call__(self, networks: Sequence[NetworkSpec]) -> list[float]:
        self.asked += networks
        return [smooth(network) for network in networks]


def objectives(scorer: Scorer | None = None, *, bound_ms: float | None = None) -> list[Objective]:
    """Accuracy and latency."""
    return [accuracy(scorer or Scorer()), latency(LinearTable(), bound_ms=bound_ms)]


def two_goals(scorer: Scorer | None = None, *, bound_ms: float | None = None) -> Goals:
    """Accuracy and latency as the goals of a search."""
    return Goals(objectives(scorer, bound_ms=bound_ms))


def tiny() -> SearchSpace:
    return SearchSpace.load("tiny_32")


def tiny_study(
    goals: Goals | None = None,
    *,
    trials: int,
    sampler: str = "random",
    seed: int = 0,
    context: dict[str, str] | None = None,
    control: bool = False,
    budgets_ms: Sequence[float] = (),
) -> Study:
    """A search of the tiny space, for accuracy and latency unless told otherwise."""
    return Study(
        problem=Problem(tiny(), CLASSES),
        goals=goals or two_goals(),
        sampler=make_sampler(sampler, {"population": 10} if sampler == "nsga2" else {}),
        trials=trials,
        seed=seed,
        context=context or {},
        control=control,
        budgets_ms=budgets_ms,
    )


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)
