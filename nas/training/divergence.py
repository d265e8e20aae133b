"""Detecting a diverging training, with the step, the learning rate and the network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from nas.errors import UserError

EXPLODED = 100.0
"""A loss above this multiple of the first step's largest loss (at least 1) has exploded."""

ADVICE = "lower learning_rate, lengthen warmup_epochs, or clip gradients with clip_value=1"


class DivergenceError(UserError):
    """A training that has diverged."""


@final
@dataclass(frozen=True, kw_only=True)
class _Losses:
    losses: Tensor
    networks: tuple[str, ...]
    step: int
    rate: float


@final
@dataclass(kw_only=True)
class Watch:
    """Collects losses on the device and checks them together, since each check waits for the device.

    Attributes:
        limit: The loss that counts as exploded; ``None`` before the first check.
    """

    limit: float | None = None
    _waiting: list[_Losses] = field(default_factory=list, init=False)
    _last: _Losses | None = field(default=None, init=False)

    def add(self, losses: Tensor, *, networks: Sequence[str], step: int, rate: float) -> None:
        """Adds the losses (n,) of the networks of a step, which is counted from 1."""
        self._waiting.append(_Losses(losses=losses, networks=tuple(networks), step=step, rate=rate))

    def look(self) -> None:
        """Checks all losses since the last check.

        Raises:
            DivergenceError: If one is not finite or has exploded. The message names the first.
        """
        if not self._waiting:
            return
        values = iter(torch.cat([item.losses.float() for item in self._waiting]).tolist())
        for item in self._waiting:
            own = [next(values) for _ in item.networks]
            if self.limit is None and all(map(math.isfinite, own)):
                self.limit = EXPLODED * max(1.0, *own)
            for network, value in zip(item.networks, own, strict=True):
                if not math.isfinite(value) or (self.limit is not None and value > self.limit):
                    raise DivergenceError(
                        f"training diverged at step {item.step} with learning rate {item.rate:.4g}: "
                        f"the loss of {network} is {value:.4g}; {ADVICE}"
                    )
        self._last = self._waiting[-1]
        self._waiting.clear()

    def look_at_weights(self, parameters: Iterable[nn.Parameter]) -> None:
        """Checks that the weights after the last checked step are finite.

        Raises:
            DivergenceError: If any weight is not finite.
        """
        finite = torch.stack([p.detach().isfinite().all() for p in parameters]).all()
        if self._last is not None and not bool(finite):
            raise DivergenceError(
                f"training diverged at step {self._last.step} with learning rate {self._last.rate:.4g}: "
                f"after {', '.join(self._last.networks)}, not all weights are finite; {ADVICE}"
            )
