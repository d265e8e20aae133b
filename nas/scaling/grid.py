"""The α, β and γ among which EfficientNet's own procedure chooses (Tan and Le 2019, section 3.3, step 1)."""

from __future__ import annotations

import math

from nas.network import NetworkSpec
from nas.scaling.capacity import Balance
from nas.scaling.multipliers import compound_scale

DOUBLED = 2.0
"""α·β²·γ²: the growth of the multiply-accumulates per step of φ."""

_ALPHAS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0)
_BETAS = (1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.4)
_OFF = 0.2  # rounding may move the growth of the multiply-accumulates by a fifth


def growth_grid(
    network: NetworkSpec, *, depth_rounding: str = "up"
) -> tuple[tuple[Balance, NetworkSpec], ...]:
    """Lists the growths α, β, γ ≥ 1 with α·β²·γ² = 2, each with the network at φ = 1.

    Growths that rounding makes equal are listed once. Those whose multiply-accumulates grow by less than
    1.6 or more than 2.4 are left out, because a comparison with them would compare costs; if that leaves
    none, all stay.

    Args:
        network: The network to scale.
        depth_rounding: As in ``scale``. With ``nearest``, stages of one block grow from α = 1.5 on.
    """
    distinct: dict[object, tuple[Balance, NetworkSpec]] = {}
    for alpha in _ALPHAS:
        for beta in _BETAS:
            gamma = math.sqrt(DOUBLED / (alpha * beta**2))
            if gamma >= 1:
                growth = {"alpha": alpha, "beta": beta, "gamma": gamma}
                scaled = compound_scale(network, phi=1, depth_rounding=depth_rounding, **growth)
                distinct.setdefault(scaled.blocks, (Balance(**growth), scaled))
    pairs = tuple(distinct.values())
    alike = tuple(pair for pair in pairs if abs(pair[1].macs / network.macs / DOUBLED - 1) <= _OFF)
    return alike or pairs
