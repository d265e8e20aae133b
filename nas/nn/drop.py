"""Dropout and dropped residual branches in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor
from torch.nn import functional as F

from nas.errors import UserError
from nas.network import NetworkSpec

LATER_STAGES = 2
"""The number of last stages with dropped residual branches (Wang et al. 2021, "AttentiveNAS")."""


@final
@dataclass(frozen=True, kw_only=True)
class Drop:
    """Regularisation of one forward pass in training mode (Yu et al. 2020, "BigNAS", section 3.1).

    Attributes:
        dropout: Share of the features before the classifier that are set to zero.
        connect: Share of the images without the residual branch of the last block. For earlier blocks, the
            share falls linearly with depth (Huang et al. 2016, "Stochastic Depth", section 3).
    """

    dropout: float = 0.0
    connect: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("dropout", self.dropout), ("drop_connect", self.connect)):
            if not 0 <= value < 1:
                raise UserError(f"{name} is {value}; it is a share of at least 0 and below 1, e.g. 0.2")

    def rates(self, network: NetworkSpec) -> list[float]:
        """For each block, classifier included, the share of images without its residual branch."""
        later = len(network.stages) - LATER_STAGES
        depth, done, rates = sum(map(len, network.stages)), 0, []
        for place, _ in network.placed_blocks:
            done += place.section == "stages"
            drops = place.section == "stages" and place.stage >= later
            rates.append(self.connect * done / depth if drops else 0.0)
        return rates


NO_DROP = Drop()


def drop_images(x: Tensor, rate: float) -> Tensor:
    """Sets whole images of (N, C, H, W) to zero and scales the others, so that the mean stays."""
    return x * F.dropout(x.new_ones(len(x), 1, 1, 1), rate)
