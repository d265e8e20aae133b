"""Single-path training (Guo et al. 2020, "Single Path One-Shot NAS with Uniform Sampling", section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from nas.training.optimization import StepResult
from nas.training.recipes.base import Recipe, Rule, Trainee, register


@final
@register
@dataclass(frozen=True, kw_only=True)
class SinglePath(Recipe):
    """Trains one uniformly drawn network per step, on the labels."""

    NAME: ClassVar[str] = "single_path"

    def build(self, trainee: Trainee) -> Rule:
        return SinglePathRule(trainee)


@final
@dataclass(frozen=True)
class SinglePathRule:
    """The step; ``trainee.rng`` draws its network."""

    trainee: Trainee

    def backward(self, x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        """Adds the gradients of images (N, C, H, W) with labels (N,)."""
        arch = self.trainee.space.sample(self.trainee.rng)
        _, done = self.trainee.learn(arch, x, name="loss_random", loss_of=self.trainee.labels(y))
        return StepResult((done,))
