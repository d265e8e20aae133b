"""Times models: one window of one model, or of several models in turns.

Parts of a network are timed *in turns*, one run each. Run back to back, a part would find its weights and
data in the nearest cache, which the blocks in between occupy in a network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from .protocol import Clock, Model, Protocol, Window


def time_window(
    model: Model, *, entry: str, round_: int, protocol: Protocol, clock: Clock, wall: Clock
) -> Window:
    """Warms up, determines the runs per sample, and takes one window.

    Figures are rounded as in the file, so that interrupted and uninterrupted measurements decide alike.
    """
    start, start_s = clock(), round(wall(), 3)
    runs = _runs_for(model, protocol.sample_ms * 1e-3)
    until = clock() + protocol.window_ms * 1e-3
    samples: list[float] = []
    while len(samples) < protocol.samples or clock() < until:
        samples.append(round(model.time(runs) / runs * 1e6, 3))
    return Window(entry, round_, start_s, runs, tuple(samples), round(clock() - start, 6))


def time_in_turns(
    models: Mapping[str, Model], *, rounds: Mapping[str, int], protocol: Protocol, wall: Clock
) -> list[Window]:
    """Takes one window of each model, running the models one after another in several passes.

    The first pass brings them into the state of the other passes, and does not count.
    """
    start_s = round(wall(), 3)
    samples: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(protocol.samples + 1):
        for name, model in models.items():
            samples[name].append(round(model.time(1) * 1e6, 3))
    return [
        Window(name, rounds[name], start_s, 1, tuple(us[1:]), round(sum(us) * 1e-6, 6))
        for name, us in samples.items()
    ]


def _runs_for(model: Model, seconds: float) -> int:
    """The number of runs that last at least ``seconds``, by doubling, which also warms caches.

    The first run does not count: its buffers and caches are cold, and it can take many times as long.
    """
    model.time(1)
    runs = 1
    while True:
        took = model.time(runs)
        if took >= seconds / 2:
            return max(1, math.ceil(runs * seconds / took))
        runs = max(2 * runs, min(16 * runs, math.floor(runs * seconds / max(took, 1e-9) * 0.75)))
