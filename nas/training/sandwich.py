"""The sandwich rule with in-place distillation (Yu and Huang 2019, "Universally Slimmable Networks",
sections 3.2 and 3.3; Yu et al. 2020, "BigNAS", section 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from nas.network import NetworkSpec
from nas.nn import Supernet
from nas.space import SearchSpace
from nas.training.data import resize
from nas.training.optimization import Compute, Losses


@dataclass(frozen=True, kw_only=True)
class Sandwich:
    """One training step: the largest subnet, some random ones, the smallest; their gradients are summed.

    Only the largest sees the labels; the others learn from its detached logits of the same step.

    Attributes:
        supernet: What is trained.
        compute: Where and how precisely.
        rng: Draws the random subnets.
        random_subnets: How many of them.
        label_smoothing: For the loss on labels.
        distill: Whether the others learn from the largest; otherwise from the labels too.
    """

    supernet: Supernet
    compute: Compute
    rng: np.random.Generator
    random_subnets: int
    label_smoothing: float
    distill: bool
    largest: NetworkSpec = field(init=False)
    smallest: NetworkSpec = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "largest", self._network(self.space.largest))
        object.__setattr__(self, "smallest", self._network(self.space.smallest))

    @property
    def space(self) -> SearchSpace:
        return self.supernet.space

    def _network(self, choose: Callable[[], object]) -> NetworkSpec:
        return self.space.network(choose(), classes=self.supernet.classes)  # type: ignore[arg-type]

    def backward(self, x: Tensor, y: Tensor) -> Losses:
        """Adds the gradients of one batch.

        Args:
            x: Images (N, C, H, W), of the space's largest resolution.
            y: Labels (N,).

        Returns:
            Detached losses of the largest, the random (mean) and the smallest subnets.
        """
        teacher, loss = self._run(self.largest, x, self._labels(y))
        target = self._labels(y)
        if self.distill:
            soft = teacher.detach().float().softmax(1)
            target = lambda logits: F.cross_entropy(logits, soft)  # noqa: E731
        random = [self._run(self._network(self._draw), x, target)[1] for _ in range(self.random_subnets)]
        smallest = self._run(self.smallest, x, target)[1]
        losses = {"loss_largest": loss, "loss_smallest": smallest}
        if random:
            losses["loss_random"] = torch.stack(random).mean()
        return losses

    def _draw(self) -> object:
        return self.space.sample(self.rng)

    def _labels(self, y: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda logits: F.cross_entropy(logits, y, label_smoothing=self.label_smoothing)

    def _run(
        self, network: NetworkSpec, x: Tensor, loss_of: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        with self.compute.context():
            logits = self.supernet(resize(x, network.resolution), network)
        loss = loss_of(logits.float())
        loss.backward()  # type: ignore[no-untyped-call]
        return logits, loss.detach()
