"""The sandwich rule with in-place distillation (Yu and Huang 2019, "Universally Slimmable Networks",
sections 3.2 and 3.3; Yu et al. 2020, "BigNAS", section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor
from torch.nn import functional as F

from nas.training.optimization import StepResult
from nas.training.recipes.base import LossOf, Recipe, Rule, Trainee, check_at_least, register


@final
@register
@dataclass(frozen=True, kw_only=True)
class Sandwich(Recipe):
    """In each step the largest subnet, some random ones and the smallest; their gradients are summed.

    Attributes:
        random_subnets: How many of them.
        distill: Whether the others learn from the largest; otherwise from the labels too.
    """

    NAME: ClassVar[str] = "sandwich"

    random_subnets: int = 2
    distill: bool = True

    def __post_init__(self) -> None:
        check_at_least(self, "random_subnets", self.random_subnets, 0)

    def build(self, trainee: Trainee) -> Rule:
        return SandwichRule(self, trainee)


@final
@dataclass(frozen=True)
class SandwichRule:
    """The step: only the largest sees the labels, the others learn from its detached logits."""

    recipe: Sandwich
    trainee: Trainee

    def backward(self, x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        """Adds the gradients of images (N, C, H, W) with labels (N,)."""
        trainee, space = self.trainee, self.trainee.space
        target = trainee.labels(y)
        teacher, largest = trainee.learn(space.largest(), x, name="loss_largest", loss_of=target)
        if self.recipe.distill:
            target = _soft(teacher)
        passes = [largest]
        for _ in range(self.recipe.random_subnets):
            passes += trainee.learn(space.sample(trainee.rng), x, name="loss_random", loss_of=target)[1:]
        passes += trainee.learn(space.smallest(), x, name="loss_smallest", loss_of=target)[1:]
        return StepResult(tuple(passes))


def _soft(teacher: Tensor) -> LossOf:
    probabilities = teacher.softmax(1)
    return lambda logits: F.cross_entropy(logits, probabilities)
