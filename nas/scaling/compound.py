"""The walk along φ: the largest compound scaling of a network within a latency budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.scaling.multipliers import ALPHA, BETA, GAMMA, check_positive, compound_scale

LARGEST_PHI = 16.0
"""The largest φ of a grid, about 30,000 times the cost."""

_WIDER = 10  # networks by which a range grows: about a factor of 2 in cost, with steps of 0.1
_SLACK = 1e-9  # a bound such as 0.3 = 3 * 0.1 must not be left out because of its last bit


@dataclass(frozen=True)
class Scaled:
    """The result of ``fit_to_latency``.

    Attributes:
        network: The scaled network.
        phi: Its compound coefficient.
        predicted_ms: Its predicted latency.
        tried: All evaluated pairs (phi, predicted latency in ms), by ascending phi.
    """

    network: NetworkSpec
    phi: float
    predicted_ms: float
    tried: tuple[tuple[float, float], ...]


def scalings(
    network: NetworkSpec,
    *,
    alpha: float = ALPHA,
    beta: float = BETA,
    gamma: float = GAMMA,
    depth_rounding: str = "up",
    lowest: float = -6.0,
    highest: float = 8.0,
    step: float = 0.1,
) -> tuple[tuple[float, NetworkSpec], ...]:
    """Returns the valid scalings on a grid, as pairs of phi and network; see ``fit_to_latency``.

    Raises:
        UserError: If ``lowest`` is above ``highest``, or no scaling is valid.
    """
    valid = []
    for phi in _grid(lowest, highest, step):
        candidate = compound_scale(
            network, phi=phi, alpha=alpha, beta=beta, gamma=gamma, depth_rounding=depth_rounding
        )
        with suppress(UserError):  # lowering fails if a block no longer fits
            candidate.blocks  # noqa: B018
            valid.append((phi, candidate))
    if not valid:
        raise UserError("no scaling of the network is valid: each shrinks the image to nothing; raise phi")
    return tuple(valid)


def fit_to_latency(
    network: NetworkSpec,
    *,
    latency_ms: float,
    predict: Callable[[NetworkSpec], float],
    alpha: float = ALPHA,
    beta: float = BETA,
    gamma: float = GAMMA,
    depth_rounding: str = "up",
    lowest: float = -6.0,
    highest: float = 8.0,
    step: float = 0.1,
) -> Scaled:
    """Returns the network with the largest phi on a grid whose predicted latency is within the budget.

    The whole grid is evaluated, because rounded channels make latency not quite monotone in phi. If several
    phi give the same network, the one nearest to 0 is reported.

    Args:
        network: The network to scale.
        latency_ms: The budget.
        predict: Returns the predicted latency of a network in ms.
        alpha: Growth of the depth, see ``compound_scale``.
        beta: Growth of the width.
        gamma: Growth of the resolution.
        depth_rounding: As in ``scale``.
        lowest: The smallest phi of the grid.
        highest: The largest phi of the grid.
        step: The spacing of the grid, whose points are multiples of it.

    Raises:
        UserError: If no phi of the grid meets the budget; the message gives the smallest latency of the grid.
    """
    check_positive("latency_ms", latency_ms)
    tried: list[tuple[float, float]] = []
    best: Scaled | None = None
    growth = {"alpha": alpha, "beta": beta, "gamma": gamma}
    grid = {"lowest": lowest, "highest": highest, "step": step}
    for phi, candidate in scalings(network, depth_rounding=depth_rounding, **growth, **grid):
        predicted_ms = float(predict(candidate))
        tried.append((phi, predicted_ms))
        if predicted_ms <= latency_ms and not _repeats(best, candidate):
            best = Scaled(candidate, phi, predicted_ms, ())
    if best is None:
        raise _too_slow(latency_ms, tried)
    return replace(best, tried=tuple(tried))


def _too_slow(latency_ms: float, tried: list[tuple[float, float]]) -> UserError:
    phi, least_ms = min(tried, key=lambda pair: pair[1])
    return UserError(
        f"no scaling of the network meets {latency_ms:g} ms; the smallest latency that can be met is "
        f"{math.ceil(least_ms * 1000) / 1000:g} ms, at phi {phi:g}: "
        "raise the budget, or start from a smaller network"
    )


def _repeats(best: Scaled | None, candidate: NetworkSpec) -> bool:
    """Returns whether a larger phi above 0 changed only ratios, but no channel, block or pixel."""
    return best is not None and best.phi >= 0 and best.network.blocks == candidate.blocks


def _grid(lowest: float, highest: float, step: float) -> list[float]:
    check_positive("step", step)
    if lowest > highest:
        raise UserError(f"lowest ({lowest:g}) is above highest ({highest:g}); give lowest ≤ highest")
    if not -LARGEST_PHI <= lowest <= highest <= LARGEST_PHI:
        raise UserError(
            f"phi from {lowest:g} to {highest:g} is too wide; allowed: {-LARGEST_PHI:g} to {LARGEST_PHI:g}"
        )
    first, last = math.ceil(lowest / step - _SLACK), math.floor(highest / step + _SLACK)
    return [round(i * step, 9) for i in range(first, last + 1)]


def near_latency(
    network: NetworkSpec,
    candidates: Sequence[tuple[float, NetworkSpec]],
    *,
    latency_ms: float,
    now_ms: float,
    margin: float = 0.4,
) -> tuple[tuple[float, NetworkSpec], ...]:
    """Selects the scaled networks that are probably near a latency budget, to be measured first.

    Latency is assumed to grow with the multiply-accumulates to the power of 0.8. If blocks have a fixed cost,
    it grows more slowly, and the network that meets the budget may lie outside the selection: see
    ``decisive``.

    Args:
        network: The unscaled network.
        candidates: The result of ``scalings``.
        latency_ms: The budget.
        now_ms: Latency of the unscaled network.
        margin: Networks whose rough latency is within this share of the budget are selected, with all between
            them; if there are none, the one nearest to the budget is.
    """
    check_positive("latency_ms", latency_ms)
    off = [abs(now_ms * (each.macs / network.macs) ** 0.8 / latency_ms - 1) for _, each in candidates]
    places = [place for place, share in enumerate(off) if share <= margin] or [off.index(min(off))]
    return tuple(candidates[places[0] : places[-1] + 1])


def decisive(
    candidates: Sequence[tuple[float, NetworkSpec]],
    near: Sequence[tuple[float, NetworkSpec]],
    *,
    latency_ms: float,
    predict: Callable[[Sequence[NetworkSpec]], Sequence[float]],
) -> tuple[tuple[float, NetworkSpec], ...]:
    """Returns a range of the grid that contains the largest network within a budget.

    The range starts with ``near``. It grows upwards while its largest network is within the budget, and
    downwards while none is.

    Args:
        candidates: The result of ``scalings``.
        near: Adjacent candidates: the result of ``near_latency``.
        latency_ms: The budget.
        predict: Returns latencies of networks in ms; it may measure them.
    """
    phis = [phi for phi, _ in candidates]
    first, end = phis.index(near[0][0]), phis.index(near[-1][0]) + 1
    while True:
        latencies_ms = predict([network for _, network in candidates[first:end]])
        if latencies_ms[-1] <= latency_ms and end < len(phis):
            end = min(end + _WIDER, len(phis))
        elif min(latencies_ms) > latency_ms and first > 0:
            first = max(first - _WIDER, 0)
        else:
            return tuple(candidates[first:end])
