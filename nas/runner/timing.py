"""Times models: one window of one model, or of several models in turns.

Parts of a network are timed *in turns*, one run each. Run back to back, a part would find its weights and
data in the nearest cache, which the blocks in between occupy in a network.

A runtime's clock may move in steps, such as the 15.6 ms of some timers of Windows, or be set back meanwhile.
Samples then last for many steps, and no sample is zero or negative.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .errors import RunnerError, faults_of
from .protocol import Clock, Model, Protocol, Window

_STEPS = 50  # of a coarse clock in a sample, which is then exact to 2 %
_ENOUGH = 8  # samples that show the steps of a clock
_MOST_RUNS = 2**22


def time_window(
    model: Model, *, entry: str, round_: int, protocol: Protocol, clock: Clock, wall: Clock
) -> Window:
    """Warms up, determines the runs per sample, and takes one window.

    Figures are rounded as in the file, so that interrupted and uninterrupted measurements decide alike.
    """
    start, start_s = clock(), round(wall(), 3)
    seconds = protocol.sample_ms * 1e-3
    with faults_of(entry):
        runs, took = _runs_for(model, seconds)
        samples = _samples(model, runs, protocol, clock)
        if step := clock_step(samples) or (took if min(samples) <= 0 else 0.0):
            runs, _ = _runs_for(model, max(seconds, _STEPS * step))
            samples = _samples(model, runs, protocol, clock)
    if min(samples) <= 0:
        raise RunnerError(
            f"{entry}: {runs} runs took {min(samples)} s by the runtime's clock, which jumps or stands "
            "still; use a runtime with a steady clock. Finished samples are kept"
        )
    figures = tuple(round(each / runs * 1e6, 3) for each in samples)
    return Window(entry, round_, start_s, runs, figures, round(clock() - start, 6))


def _samples(model: Model, runs: int, protocol: Protocol, clock: Clock) -> list[float]:
    """Seconds of each sample of a window."""
    until = clock() + protocol.window_ms * 1e-3
    samples: list[float] = []
    while len(samples) < protocol.samples or clock() < until:
        samples.append(model.time(runs))
    return samples


def clock_step(took: Sequence[float]) -> float:
    """The step of the clock that gave these times of equal work, if it is too coarse for them; otherwise 0.

    A clock is too coarse if some work took no time by it, or if many times have few values, far apart.
    """
    values = sorted(set(took))
    steps = [values[i + 1] - values[i] for i in range(len(values) - 1)]
    if not steps:
        return 0.0
    is_coarse = len(took) >= _ENOUGH and len(values) < _ENOUGH / 2 and min(steps) * _STEPS > values[0]
    return min(steps) if is_coarse or values[0] <= 0 else 0.0


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
            with faults_of(name):
                samples[name].append(round(model.time(1) * 1e6, 3))
    return [
        Window(name, rounds[name], start_s, 1, tuple(us[1:]), round(sum(us) * 1e-6, 6))
        for name, us in samples.items()
    ]


def _runs_for(model: Model, seconds: float) -> tuple[int, float]:
    """The number of runs that last at least ``seconds``, by doubling, which also warms caches.

    The time of the last runs comes with it.

    The first run does not count: its buffers and caches are cold, and it can take many times as long.
    """
    model.time(1)
    runs = 1
    while True:
        took = model.time(runs)
        if took >= seconds / 2:
            return max(1, math.ceil(runs * seconds / took)), took
        if runs > _MOST_RUNS and took <= 0:
            raise RunnerError(
                f"{runs} runs take no time by the runtime's clock; use a runtime whose clock runs"
            )
        runs = max(2 * runs, min(16 * runs, math.floor(runs * seconds / max(took, 1e-9) * 0.75)))
