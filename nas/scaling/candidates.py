"""Scaling under a latency constraint: depth of each stage, width and resolution that use a budget best.

EfficientNet's φ moves all three dimensions at once, in steps that rounding makes large: the largest step
within a latency budget often leaves a fifth of it unused. Here each stage's depth, the width and the
resolution vary by themselves, as far as ``nas.scaling.capacity`` finds that worth its latency on the
device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.scaling.capacity import Balance
from nas.scaling.compound import scalings
from nas.scaling.frames import STEP, Depths, Frame, best_depths, frames, probes
from nas.scaling.multipliers import check_positive

LEAST_USED = 0.95
"""The share of a budget that a scaling should use."""

FRAMES = 6
"""Frames whose blocks are measured together: some 80 blocks of a small network, 180 of MobileNetV3's."""

ROUNDS = 3
"""The largest number of measurements."""

WORTH = 0.15
"""The largest loss of φ for the sake of a budget that is used. It is an eighth of a doubling of the cost,
and about twice as much as the capacity errs by on the figures that it was fitted to."""

_APART = 0.98  # a fallback is at least 2 % faster than the one before
_UNSURE = (
    1.03  # sums of curves may miss a prediction by a little, so those just above the budget are predicted too
)

Predict = Callable[[Sequence[NetworkSpec]], Sequence[float]]


@dataclass(frozen=True)
class Candidate:
    """A scaled network.

    Attributes:
        network: The network.
        phi: Its compound coefficient, or the equivalent one (``nas.scaling.equivalent_phi``).
        predicted_ms: Its predicted latency.
    """

    network: NetworkSpec
    phi: float
    predicted_ms: float


@dataclass(frozen=True)
class Filling:
    """The result of ``fill_latency``.

    Attributes:
        candidates: The best network of each width and resolution, those that use the budget first, then by φ.
        front: All networks that no other one beats in both latency and φ, by rising latency.
    """

    candidates: tuple[Candidate, ...]
    front: tuple[Candidate, ...]


def used_share(predicted_ms: float, *, latency_ms: float) -> float:
    """The share of a budget that a latency uses."""
    return predicted_ms / latency_ms


def fill_latency(
    network: NetworkSpec,
    *,
    latency_ms: float,
    predict: Predict,
    estimate: Predict | None = None,
    balance: Balance | None = None,
    lowest: float = -6.0,
    highest: float = 8.0,
) -> Filling:
    """Looks for the scalings of a network with the largest equivalent φ whose latency uses a budget.

    The best network is the one of largest φ among those that use ``LEAST_USED`` of the budget, unless a
    faster one has a φ that is larger by more than ``WORTH``: a budget is not used for its own sake.

    Args:
        network: The network to scale.
        latency_ms: The budget.
        predict: Returns latencies of networks in ms; it may measure blocks.
        estimate: Returns rough latencies at no cost. With it, ``predict`` is called for the ``FRAMES`` most
            promising widths and resolutions, and for as many more at most ``ROUNDS`` times in all, until the
            budget is used. Without it, ``predict`` is called for all.
        balance: The best growth of the dimensions; EfficientNet's by default.
        lowest: The smallest equivalent φ.
        highest: The largest equivalent φ.

    Raises:
        UserError: If no scaling meets the budget; the message gives the smallest latency.
    """
    check_positive("latency_ms", latency_ms)
    balance = balance or Balance()
    rough = estimate or predict
    phi = _rough_phi(network, balance, latency_ms=latency_ms, predict=rough, lowest=lowest, highest=highest)
    todo = frames(network, balance=balance, phi=phi, lowest=lowest, highest=highest)

    def evaluated(some: Sequence[Frame], by: Predict, limit_ms: float) -> list[tuple[Frame, Candidate]]:
        pairs = _evaluated(some, predict=by, limit_ms=limit_ms)
        return [pair for pair in pairs if lowest <= pair[1].phi <= highest]

    if estimate is not None:
        todo = _promising_first(todo, evaluated(todo, estimate, latency_ms), latency_ms=latency_ms)
    within: list[tuple[Frame, Candidate]] = []
    for number, some in enumerate(_batches(todo, len(todo) if estimate is None else FRAMES)):
        if number == ROUNDS or _uses([each for _, each in within], latency_ms):
            break
        within += [
            pair for pair in evaluated(some, predict, latency_ms) if pair[1].predicted_ms <= latency_ms
        ]
    if not within:
        some = todo if estimate is None else todo[:FRAMES]
        raise _too_slow(latency_ms, [each for _, each in evaluated(some, predict, math.inf)])
    return Filling(
        candidates=_using(within, latency_ms=latency_ms),
        front=latency_front(each for _, each in within),
    )


def latency_front(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """The candidates that no other one beats in both latency and φ, by rising latency."""
    front: list[Candidate] = []
    for each in sorted(candidates, key=lambda each: (each.predicted_ms, -each.phi)):
        if not front or each.phi > front[-1].phi:
            front.append(each)
    return tuple(front)


def fallbacks(first: Candidate, candidates: Iterable[Candidate], *, count: int) -> tuple[Candidate, ...]:
    """Networks to take if a measurement finds ``first`` too slow, in this order.

    Each is the best of those that are at least 2 % faster than the one before.

    Args:
        first: The network that is taken first.
        candidates: Networks to choose from.
        count: The largest number of fallbacks.
    """
    result: list[Candidate] = []
    limit_ms = _APART * first.predicted_ms
    for each in reversed(latency_front(candidates)):
        if each.predicted_ms <= limit_ms and len(result) < count:
            result.append(each)
            limit_ms = _APART * each.predicted_ms
    return tuple(result)


def _rough_phi(
    network: NetworkSpec,
    balance: Balance,
    *,
    latency_ms: float,
    predict: Predict,
    lowest: float,
    highest: float,
) -> float:
    """The largest φ of a coarse grid within the budget; the grid's smallest one if none is."""
    grid = scalings(
        network,
        alpha=balance.alpha,
        beta=balance.beta,
        gamma=balance.gamma,
        depth_rounding="nearest",
        lowest=min(lowest, math.floor(lowest / STEP) * STEP),
        highest=highest,
        step=STEP,
    )
    latencies_ms = predict([scaled for _, scaled in grid])
    meets = [phi for (phi, _), ms in zip(grid, latencies_ms, strict=True) if ms <= latency_ms]
    return max(meets, default=grid[0][0])


def _evaluated(some: Sequence[Frame], *, predict: Predict, limit_ms: float) -> list[tuple[Frame, Candidate]]:
    """The best networks of some frames, with their predicted latencies."""
    probed = [(frame, stage, depth, network) for frame in some for stage, depth, network in probes(frame)]
    latencies_ms = predict([network for *_, network in probed])
    by_frame: dict[int, list[tuple[int, int, float]]] = {}
    for (frame, stage, depth, _), ms in zip(probed, latencies_ms, strict=True):
        by_frame.setdefault(id(frame), []).append((stage, depth, float(ms)))
    found = [
        (frame, depths)
        for frame in some
        for depths in best_depths(frame, by_frame[id(frame)], limit_ms=_UNSURE * limit_ms)
    ]
    found = list(_worth_predicting(found, limit_ms=limit_ms))
    networks = [frame.scaled(depths.depths) for frame, depths in found]
    return [
        (frame, Candidate(network, frame.phi(depths.error), float(ms)))
        for (frame, depths), network, ms in zip(found, networks, predict(networks), strict=True)
    ]


def _worth_predicting(
    found: Sequence[tuple[Frame, Depths]], *, limit_ms: float
) -> Iterator[tuple[Frame, Depths]]:
    """Selects the front over all frames, and each frame's networks near the limit."""
    best = -math.inf
    last = {id(frame): depths.ms for frame, depths in found if depths.ms <= limit_ms}
    for frame, depths in sorted(found, key=lambda pair: (pair[1].ms, pair[1].error)):
        phi = frame.phi(depths.error)
        if phi > best or depths.ms >= 0.99 * last.get(id(frame), limit_ms):
            best = max(best, phi)
            yield frame, depths


def _promising_first(
    todo: Sequence[Frame], pairs: Sequence[tuple[Frame, Candidate]], *, latency_ms: float
) -> tuple[Frame, ...]:
    """Sorts frames by the largest φ that they reach within the budget; the unscaled one stays first."""
    best: dict[int, float] = {}
    for frame, each in pairs:
        if each.predicted_ms <= latency_ms:
            best[id(frame)] = max(best.get(id(frame), -math.inf), each.phi)
    rest = sorted(todo[1:], key=lambda frame: -best.get(id(frame), -math.inf))
    return (todo[0], *rest)


def _batches(todo: Sequence[Frame], size: int) -> Iterator[Sequence[Frame]]:
    for start in range(0, len(todo), size):
        yield todo[start : start + size]


def _uses(candidates: Sequence[Candidate], latency_ms: float) -> bool:
    return any(used_share(each.predicted_ms, latency_ms=latency_ms) >= LEAST_USED for each in candidates)


def _using(within: Sequence[tuple[Frame, Candidate]], *, latency_ms: float) -> tuple[Candidate, ...]:
    """The best candidate of each frame, those that use the budget first, then by φ."""
    most = max(each.phi for _, each in within)

    def rank(each: Candidate) -> tuple[bool, float, float]:
        uses = used_share(each.predicted_ms, latency_ms=latency_ms) >= LEAST_USED
        return not (uses and each.phi >= most - WORTH), -each.phi, each.predicted_ms

    best: dict[int, Candidate] = {}
    for frame, each in within:
        if id(frame) not in best or rank(each) < rank(best[id(frame)]):
            best[id(frame)] = each
    return tuple(sorted(best.values(), key=rank))


def _too_slow(latency_ms: float, candidates: Sequence[Candidate]) -> UserError:
    least_ms = min((each.predicted_ms for each in candidates), default=math.nan)
    return UserError(
        f"no scaling of the network meets {latency_ms:g} ms; the smallest latency that can be met is "
        f"{math.ceil(least_ms * 1000) / 1000:g} ms: raise the budget, or start from a smaller network"
    )
