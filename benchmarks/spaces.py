"""The speed of sampling architectures and computing their costs: ``python benchmarks/spaces.py [SPACE]``.

Goals on one core, for 100,000 architectures of ``ofa_mobilenet_v3``: sampling in at most 2 s, and
multiply-accumulates and parameters, equal to single computations, in at most 1 s.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from nas.space import SearchSpace

COUNT = 100_000
CHECKED = 50


def main(name: str) -> None:
    """Prints CPU seconds, and checks some of the values one by one."""
    space, rng = SearchSpace.load(name), np.random.default_rng(0)
    start = time.process_time()
    rows = space.sample_many(COUNT, rng)
    sampled = time.process_time()
    costs = space.costs(rows)
    first = time.process_time()
    space.costs(rows)
    again = time.process_time()
    for number in rng.integers(0, COUNT, CHECKED):
        network = space.network(space.decode(rows[[number]])[0])
        assert (network.macs, network.params) == (costs["macs"][number], costs["params"][number])
    print(f"{name}: {COUNT:,} architectures, CPU seconds on one core; {CHECKED} of them checked one by one")
    print(f"  sampling            {sampled - start:.2f}")
    print(f"  costs, first call   {first - sampled:.2f}")
    print(f"  costs, next call    {again - first:.2f}")


if __name__ == "__main__":
    main(*(sys.argv[1:2] or ["ofa_mobilenet_v3"]))
