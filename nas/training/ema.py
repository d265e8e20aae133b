"""An exponential moving average of the weights, for evaluation and saving.

Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging", with the warm-up of
TensorFlow's ``ExponentialMovingAverage``, which soon forgets the initial weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from nas.errors import UserError


@final
class Ema:
    """The average of a model's parameters. BatchNorm statistics are recomputed, not averaged.

    Args:
        model: The model in training, which is not changed.
        decay: Weight of the old average at each step, 0 < decay < 1.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self._decay = decay
        self._parameters = dict(model.named_parameters())
        self.average: dict[str, Tensor] = {name: p.detach().clone() for name, p in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Adds the parameters after ``step``, counted from 0."""
        decay = min(self._decay, (1 + step) / (10 + step))
        own, new = list(self.average.values()), list(self._parameters.values())
        get_ema_multi_avg_fn(decay)(own, new, step)  # type: ignore[no-untyped-call]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Puts the average into the model while the body runs."""
        weights = {name: p.detach().clone() for name, p in self._parameters.items()}
        self.apply()
        try:
            yield
        finally:
            _copy(weights, self._parameters)

    def apply(self) -> None:
        """Puts the average into the model for good."""
        _copy(self.average, self._parameters)


def check_decay(decay: float) -> None:
    """Raises a ``UserError`` if ``decay`` is out of range. 0 means no average."""
    if not 0 <= decay < 1:
        raise UserError(f"ema_decay is {decay}; give 0 for no average, or a share such as 0.999 that stays")


@torch.no_grad()
def _copy(source: dict[str, Tensor], target: dict[str, nn.Parameter]) -> None:
    for name, value in source.items():
        target[name].copy_(value)
