"""The ranking and the speed of accuracy predictors: ``python benchmarks/predictors.py [RUN]``.

Goals, on the 540 published networks of ``ofa_mobilenet_v3``: Kendall τ on held-out networks of at least 0.91,
0.93 and 0.945 from 50, 100 and 200 labels (0.960 from 200 for ``search.accuracy=published``), as the mean of
20 splits (seed s draws ``permutation(540)`` with ``numpy.random.default_rng(s)``; the first ones are the
labels, all others are held out), and their mean absolute error in points. On one core: 10,000
networks scored (accuracy predictor, latency table, multiply-accumulates) in at most 1 s, and a search over
100,000 predicted networks in at most 60 s.

With RUN, a run of the quickstart, it also prints Kendall τ on 300 random networks of its supernet, with
accuracies on all search-validation images.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported

import platform
import sys
import time
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

import numpy as np
from published import read
from search_quickstart import evaluator

from nas.arrays import FloatArray, IntArray
from nas.hardware import Device, detect
from nas.latency.estimate.roofline import roofline_table
from nas.published.predictor import AccuracyPredictor
from nas.search import Goals, Problem, accuracy, latency, macs
from nas.search.goals.objectives import evaluate_many
from nas.search.predictors import make_predictor, predictor_names
from nas.search.predictors.features import Features
from nas.search.samplers.planning.history import History
from nas.search.samplers.planning.surrogate import Surrogate
from nas.space import SearchSpace
from nas.statistics import kendall_tau

SPLITS = 20
GOALS = {50: 0.91, 100: 0.93, 200: 0.945}
QUICKSTART_LABELS = (15, 30, 60, 120)

Predict = Callable[[IntArray, IntArray], FloatArray]
"""From the positions of labelled and of other networks to the values predicted for the latter."""


def ranking(inputs: FloatArray, values: FloatArray, counts: Iterable[int]) -> None:
    """Prints Kendall τ on held-out networks, and the CPU time to fit and predict."""
    counts = tuple(counts)
    print(
        f"Kendall τ on held-out networks from {counts} labels, mean ± deviation of {SPLITS} splits, and error"
    )
    for name in predictor_names():

        def predict(labelled: IntArray, rest: IntArray, name: str = name) -> FloatArray:
            fitted = make_predictor(name).fit(inputs[labelled], values[labelled], seed=0)
            return fitted.mean(inputs[rest])

        _print_row(name, predict, values, counts)


def published(problem: Problem, rows: IntArray, values: FloatArray, counts: Iterable[int]) -> None:
    """Prints the same of the predictor behind ``search.accuracy=published``; values are in percent."""

    def predict(labelled: IntArray, rest: IntArray) -> FloatArray:
        fitted = AccuracyPredictor.fit(problem, rows[labelled], values[labelled] / 100)
        return 100 * fitted.mean(rows[rest])

    _print_row("published", predict, values, tuple(counts))


def _print_row(name: str, predict: Predict, values: FloatArray, counts: tuple[int, ...]) -> None:
    """Prints τ, and the mean absolute error in the values' unit, for each number of labels."""
    cells, start = [], time.process_time()
    for labels in counts:
        taus, errors = [], []
        for seed in range(SPLITS):
            labelled, rest = np.split(np.random.default_rng(seed).permutation(len(values)), [labels])
            predicted = predict(labelled, rest)
            taus.append(kendall_tau(predicted, values[rest]))
            errors.append(np.abs(predicted - values[rest]).mean())
        cells.append(f"{np.mean(taus):.4f} ± {np.std(taus):.4f}, error {np.mean(errors):.4f}")
    each = (time.process_time() - start) / SPLITS / len(counts)
    print(f"  {name:18}{'   '.join(cells)}   {1000 * each:.0f} ms")


def quickstart(run: Path) -> tuple[FloatArray, FloatArray]:
    """The features (N, features) and accuracies (N,) of random networks of a supernet."""
    space = SearchSpace.load("tiny_24")
    rows, judge = np.unique(space.sample_many(330, np.random.default_rng(5)), axis=0), evaluator(run, space)
    networks = [space.network(arch, classes=10, input_channels=1) for arch in space.decode(rows)]
    return Features(Problem(space, 10, 1))(rows), np.array([judge.accuracy(each).value for each in networks])


def speed(problem: Problem, rows: IntArray, values: FloatArray) -> None:
    """Prints CPU seconds for scoring 10,000 networks and for searching among 100,000."""
    space, rng = problem.space, np.random.default_rng(0)
    device = Device(name="any", runtime="none", peak_flops=(("fp32", 1e11),), bandwidth_bytes_per_s=1e10)
    exact = [latency(roofline_table(space.block_specs(), device=device)), macs()]
    goals = Goals([accuracy(lambda networks: [0.0] * len(networks)), *exact])
    columns = np.stack([values, *(evaluate_many(each, problem.candidates(rows)) for each in exact)], 1)
    history = History(
        rows=rows,
        values=columns,
        losses=goals.losses(columns),
        violations=np.zeros(len(rows)),
        running=rows[:0],
        seen=frozenset(map(tuple, rows.tolist())),
    )
    surrogate = Surrogate.fit(problem, goals, history, predictor="gaussian_process", seed=0)
    many = space.sample_many(10_000, rng)
    for attempt in ("first call", "next call"):
        start = time.process_time()
        surrogate.score(many)
        print(f"  10,000 networks scored, {attempt:10}  {time.process_time() - start:.2f} s   goal 1 s")
    start = time.process_time()
    surrogate.evolve(rows, population=500, candidates=100_000, rng=rng)
    print(f"  100,000 networks searched           {time.process_time() - start:.2f} s   goal 60 s")


def main(run: Path | None) -> None:
    """Prints everything."""
    packages = ("numpy", "scikit-learn", "optuna")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    machine = detect()
    print(f"{machine['cpu']}, {machine['cores']} cores; Python {platform.python_version()}, {versions}")
    space, rows, values = read()
    problem = Problem(space)
    print(f"540 published networks; goals {GOALS}")
    ranking(Features(problem)(rows), values, GOALS)
    published(problem, rows, values, GOALS)
    if run is not None:
        ranking(*quickstart(run), QUICKSTART_LABELS)
    print("CPU seconds on one core, a Gaussian process of 540 labels, a latency table of the whole space")
    speed(problem, rows, values)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
