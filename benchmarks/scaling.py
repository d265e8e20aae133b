"""How much of a latency budget scaling uses: ``python benchmarks/scaling.py [PAIRS]``.

Random winners and budgets, log-uniform between 1 and 4 times the winner's latency, on shipped tables.
Blocks that a table lacks are estimated from its measured ones. Prints a row for each space: the share of
pairs that use 95 % of the budget less the margin by φ alone (``scale.method=compound``) and by
``scale.method=latency``.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass

import numpy as np

from nas.errors import UserError
from nas.latency import load_table
from nas.latency.estimate.rough import rough_predictor
from nas.scaling import equivalent_phi, fill_latency, fit_to_latency
from nas.space import SearchSpace

MARGIN = 0.03
USED = 0.95
TABLES = {
    "tiny_24": "mixed_32-epyc_zen4-onnxruntime-fp32",
    "ofa_mobilenet_v3": "ofa_mobilenet_v3-epyc_zen4-onnxruntime-fp32",
}
"""No table of ``tiny_24`` is shipped: the one of another space with the same kinds of blocks."""


@dataclass(frozen=True)
class Pair:
    """Shares of the budget that both methods use, the gain in equivalent φ, and the new one's time."""

    compound: float
    latency: float
    gain: float
    seconds: float


def main(count: int) -> None:
    """Prints the table."""
    print("| space | pairs | φ alone: ≥ 95 %, mean | latency: ≥ 95 %, least, mean | gain in φ | s |")
    print("|---|---:|---:|---:|---:|---:|")
    for space, table in TABLES.items():
        pairs = measure(SearchSpace.load(space), table, count=count)
        old, new = (np.array([getattr(p, name) for p in pairs]) for name in ("compound", "latency"))
        gains = [pair.gain for pair in pairs]
        print(
            f"| `{space}` | {count} | {np.mean(old >= USED):.0%}, {old.mean():.1%} "
            f"| {np.mean(new >= USED):.0%}, {new.min():.1%}, {new.mean():.1%} "
            f"| {np.mean(gains):+.2f} ({min(gains):+.2f} to {max(gains):+.2f}) "
            f"| {np.mean([pair.seconds for pair in pairs]):.2f} |"
        )


def measure(space: SearchSpace, table: str, *, count: int) -> list[Pair]:
    """The results of random pairs of winner and budget."""
    rng, predict, pairs = np.random.default_rng(0), rough_predictor(load_table(table)), []
    for _ in range(count):
        network = space.network(space.sample(rng), classes=10)
        target_ms = predict([network])[0] * math.exp(rng.uniform(0, math.log(4))) * (1 - MARGIN)
        start = time.perf_counter()
        best = fill_latency(network, latency_ms=target_ms, predict=predict).candidates[0]
        seconds = time.perf_counter() - start
        try:
            walked = fit_to_latency(
                network,
                latency_ms=target_ms,
                predict=lambda each: predict([each])[0],
                depth_rounding="nearest",
            )
        except UserError:  # no φ meets the budget
            pairs.append(Pair(0.0, best.predicted_ms / target_ms, math.nan, seconds))
            continue
        gain = best.phi - equivalent_phi(walked.network, network)
        shares = (walked.predicted_ms / target_ms, best.predicted_ms / target_ms)
        pairs.append(Pair(*shares, gain, seconds))
    return pairs


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
