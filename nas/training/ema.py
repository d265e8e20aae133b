"""An exponential moving average of the weights: what is evaluated and saved, where it is wanted.

Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging"; with the warm-up of
TensorFlow's ``ExponentialMovingAverage``, so that the initial weights don't stay in it for long.
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
    """The average of a model's parameters. BatchNorm's statistics are not averaged: they are recomputed.

    Args:
        model: The model in training; nothing of it is changed.
        decay: Share of the average that stays at each step, 0 < decay < 1.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self._decay = decay
        self._parameters = dict(model.named_parameters())
        self.average: dict[str, Tensor] = {name: p.detach().clone() for name, p in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the parameters after ``step``, counted from 0."""
        decay = min(self._decay, (1 + step) / (10 + step))
        own, new = list(self.average.values()), list(self._parameters.values())
        get_ema_multi_avg_fn(decay)(own, new, step)  # type: ignore[no-untyped-call]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Puts the average into the model while the body runs."""
        kept = {name: p.detach().clone() for name, p in self._parameters.items()}
        self.apply()
        try:
            yield
        finally:
            _copy(kept, self._parameters)

    def apply(self) -> None:
        """Puts the average into the model for good."""
        _copy(self.average, self._parameters)


def check_decay(decay: float) -> None:
    """Raises a ``UserError`` if it is no decay of an average; 0 stands for no average."""
    if not 0 <= decay < 1:
        raise UserError(f"ema_decay is {decay}; give 0 for no average, or a share such as 0.999 that stays")


@torch.no_grad()
def _copy(source: dict[str, Tensor], target: dict[str, nn.Parameter]) -> None:
    for name, value in source.items():
        target[name].copy_(value)
