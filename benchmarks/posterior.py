"""The winner of a search by its count and by its posterior accuracy: ``python benchmarks/posterior.py``.

True accuracies are those of the 540 published networks of ``ofa_mobilenet_v3``, whose standard deviation is
1.2 points, and the same with the deviations times 4, as in a supernet of few training images. A search
evaluates 120 of them, drawn anew in each repetition, on 100 to 1,000 images. Either each network has images
of its own (binomial counts), or all share the same images, which differ in difficulty: latent correlation of
two networks' answers 0.7.

Goals: the winner by posterior accuracy is better than the winner by count; its stated accuracy is biased by
at most 1 point where the count is biased by 5 or more; the 95 % interval holds the truth in about 95 %.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported

import importlib
import time
from collections.abc import Iterator

import numpy as np
from published import read

from nas.arrays import FloatArray
from nas.search import Problem
from nas.search.predictors.features import Features
from nas.search.results.posterior import smoothed

IMAGES = (100, 300, 1000)
SPREADS = (1, 4)
EVALUATIONS = 120
REPETITIONS = 60
CORRELATION = 0.7


def own_images(truth: FloatArray, images: int, rng: np.random.Generator) -> FloatArray:
    """Accuracies of networks, each on images of its own."""
    return np.asarray(rng.binomial(images, truth) / images)


def same_images(truth: FloatArray, images: int, rng: np.random.Generator) -> FloatArray:
    """Accuracies of networks on the same images: each is right where it is better than the image is hard."""
    ability = importlib.import_module("scipy.stats").norm.ppf(truth)[:, None]
    hard = np.sqrt(CORRELATION) * rng.standard_normal(images)
    luck = np.sqrt(1 - CORRELATION) * rng.standard_normal((len(truth), images))
    return np.asarray((ability + luck > hard).mean(axis=1))


def repetitions(
    inputs: FloatArray, weights: FloatArray, truth: FloatArray, images: int, *, shared: bool
) -> Iterator[tuple[float, ...]]:
    """Yields loss and bias by count and by posterior, coverage and least difference, all in points."""
    for seed in range(REPETITIONS):
        rng = np.random.default_rng([seed, images])
        drawn = rng.permutation(len(truth))[:EVALUATIONS]
        true = truth[drawn]
        counts = (same_images if shared else own_images)(true, images, rng)
        found = smoothed(inputs[drawn], counts, np.full(EVALUATIONS, float(images)), weights)
        lucky, winner = int(counts.argmax()), int(np.argmax([each.value for each in found]))
        low, high = found[winner].interval
        yield (
            100 * (true.max() - true[lucky]),
            100 * (counts[lucky] - true[lucky]),
            100 * (true.max() - true[winner]),
            100 * (found[winner].value - true[winner]),
            100 * (low <= true[winner] <= high),
            100 * found[winner].least_difference,
        )


def main() -> None:
    """Prints a line of the table for each case."""
    space, rows, top1 = read()
    features = Features(Problem(space))
    inputs = features(rows)
    start = time.process_time()
    for shared in (False, True):
        for spread in SPREADS:
            truth = (top1.mean() + spread * (top1 - top1.mean())) / 100
            for images in IMAGES:
                columns = np.array(list(repetitions(inputs, features.weights, truth, images, shared=shared)))
                cells = " | ".join(f"{value:.2f}" for value in columns.mean(axis=0))
                print(f"| {'same' if shared else 'own'} | ×{spread} | {images} | {cells} |", flush=True)
    print(f"{REPETITIONS} repetitions a line, {time.process_time() - start:.0f} s of one core")


if __name__ == "__main__":
    main()
