"""How much a scaling adds to a network: its equivalent φ.

Accuracy is what counts, but training every scaled network is too dear; multiply-accumulates alone would put
all of a budget into the dimension that is cheapest on the device. ``equivalent_phi`` ranks networks of
*one* backbone instead. It rests on two published observations:

* Scaling one dimension alone saturates, and growth by α, β, γ together is best at equal
  multiply-accumulates (Tan and Le 2019, figures 3 and 8).
* Errors of neural networks fall as sums of power laws, one for each resource that runs short (Rosenfeld et
  al. 2020, "A Constructive Prediction of the Generalization Error Across Scales", for the sizes of model
  and data).

So the part of the error that scaling can remove is taken as a sum of three power laws, of depth, width and
resolution. If each has its dimension's share of the multiply-accumulates as weight (ln α, 2 ln β, 2 ln γ,
divided by their sum), then growth by α, β, γ is the optimum at equal multiply-accumulates. The same holds
for the stages within the depth. That the three errors add is our assumption. One number is fitted,
``RATE``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.scaling.multipliers import ALPHA, BETA, GAMMA, check_positive, with_depths

RATE = 0.7
"""The error's logarithm falls by this much per step of φ. Fitted by least squares to table 7 of Tan and Le
2019: B0 gains 1.7 points by depth alone, 1.6 by width, 1.8 by resolution and 3.8 by all three at about 1.8
billion FLOPs; the formula gives 1.4, 1.5, 2.1 and 3.8."""


@dataclass(frozen=True)
class Balance:
    """The growth of the three dimensions per step of φ that is best at equal multiply-accumulates.

    Attributes:
        alpha: Growth of the depth; 1 if depth does not matter.
        beta: Growth of the width; 1 if width does not matter.
        gamma: Growth of the resolution; 1 if resolution does not matter.
    """

    alpha: float = ALPHA
    beta: float = BETA
    gamma: float = GAMMA

    def __post_init__(self) -> None:
        for name, base in (("alpha", self.alpha), ("beta", self.beta), ("gamma", self.gamma)):
            check_positive(name, base)
        if min(self.alpha, self.beta, self.gamma) < 1 or max(self.alpha, self.beta, self.gamma) == 1:
            raise UserError(
                f"alpha, beta and gamma are {self.alpha:g}, {self.beta:g} and {self.gamma:g}; "
                "give numbers of at least 1, one of them larger"
            )

    @property
    def shares(self) -> tuple[float, float, float]:
        """The share of depth, width and resolution in the growth of multiply-accumulates."""
        logs = (math.log(self.alpha), 2 * math.log(self.beta), 2 * math.log(self.gamma))
        depth, width, resolution = (log / sum(logs) for log in logs)
        return depth, width, resolution


def error(base: float, ratio: float) -> float:
    """One dimension's error, relative to the unscaled network's.

    Args:
        base: The dimension's growth per step of φ.
        ratio: Its size relative to the unscaled network's.
    """
    return 1.0 if base == 1 else float(ratio ** (-RATE / math.log(base)))


def stage_weights(network: NetworkSpec) -> tuple[float, ...]:
    """The weight of each stage in the depth's error: its share of the stages' multiply-accumulates."""
    macs = [0] * len(network.stages)
    for place, block in network.placed_blocks:
        if place.section == "stages":
            macs[place.stage] += block.macs
    total = sum(macs)
    return tuple(each / total if total else 1 / len(macs) for each in macs)


def depth_error(balance: Balance, *, weights: Sequence[float], ratios: Sequence[float]) -> float:
    """The depth's error, relative to the unscaled network's.

    Args:
        balance: Its alpha is the growth of the depth.
        weights: The result of ``stage_weights``.
        ratios: Number of blocks of each stage relative to the unscaled network's.
    """
    pairs = zip(weights, ratios, strict=True)
    return sum(weight * error(balance.alpha, ratio) for weight, ratio in pairs) if weights else 1.0


def width_ratio(network: NetworkSpec, base: NetworkSpec) -> float:
    """The mean ratio of output channels, after rounding, of two networks with the same blocks."""
    pairs = [
        (wide.out_shape.channels, narrow.out_shape.channels)
        for (place, wide), (_, narrow) in zip(network.placed_blocks, base.placed_blocks, strict=True)
        if place.section != "classifier"
    ]
    logs = [math.log(wide / narrow) for wide, narrow in pairs]
    return math.exp(sum(logs) / len(logs)) if logs else 1.0


def combined_phi(balance: Balance, *, depth: float, width: float, resolution: float) -> float:
    """The φ of the compound scaling whose error is the same.

    Args:
        balance: The weights of the dimensions.
        depth: Error of the depth, relative to the unscaled network's.
        width: Error of the width.
        resolution: Error of the resolution.
    """
    total = sum(share * each for share, each in zip(balance.shares, (depth, width, resolution), strict=True))
    return -math.log(total) / RATE + 0.0  # never -0.0


def equivalent_phi(network: NetworkSpec, base: NetworkSpec, *, balance: Balance | None = None) -> float:
    """The φ of the compound scaling of ``base`` that is worth as much as ``network``, another scaling of it.

    It grows with every stage's depth, with the width and with the resolution; it is φ for ``compound_scale``
    with the same bases, except for rounding, and 0 for ``base`` itself. It compares scalings of one backbone,
    not networks of different kinds.

    Args:
        network: A scaling of ``base``.
        base: The unscaled network.
        balance: The best growth of the dimensions; EfficientNet's by default.
    """
    balance = balance or Balance()
    counts = [(len(new), len(old)) for new, old in zip(network.stages, base.stages, strict=True)]
    same_depth = with_depths(network, [max(old, 1) for _, old in counts])
    return combined_phi(
        balance,
        depth=depth_error(
            balance, weights=stage_weights(base), ratios=[new / old if old else 1.0 for new, old in counts]
        ),
        width=error(balance.beta, width_ratio(same_depth, base)),
        resolution=error(balance.gamma, network.resolution / base.resolution),
    )
