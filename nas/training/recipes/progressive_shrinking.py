"""Progressive shrinking (Cai et al. 2020, "Once-for-All", section 3.3): smaller networks join later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nas.errors import UserError
from nas.nn import Drop
from nas.space import Architecture, SearchSpace
from nas.space.rows import ABSENT
from nas.training.distillation import check_distillation, student_loss
from nas.training.optimization import StepResult
from nas.training.recipes.base import Recipe, Rule, Trainee, check_at_least, register

PHASES = ("full", "kernel", "depth", "width")
"""What becomes elastic in each phase; the resolution always is. The last phase frees all that is left."""


@final
@register
@dataclass(frozen=True, kw_only=True)
class ProgressiveShrinking(Recipe):
    """First the full network alone; then random ones beside it, of more and more of the space.

    The full network of the same step teaches the others, so that no second set of weights is kept; in the
    paper, the one of the first phase does.

    Attributes:
        random_subnets: How many random ones a step has.
        distill: How they learn from the full network: one of ``DISTILLATIONS``.
        phases: Progress, 0 to 1, at which kernels, then depths, then everything else become elastic.
        dropout: Regularisation of the full network alone, before its classifier.
        drop_connect: The same for its residual branches, rising with depth.
    """

    NAME: ClassVar[str] = "progressive_shrinking"

    random_subnets: int = 2
    distill: str = "soft"
    phases: Sequence[float] = (0.3, 0.5, 0.75)
    dropout: float = 0.0
    drop_connect: float = 0.0

    def __post_init__(self) -> None:
        check_at_least(self, "random_subnets", self.random_subnets, 1)
        check_distillation(self.distill)
        if len(self.phases) != 3 or list(self.phases) != sorted(self.phases):
            raise UserError(
                f"phases is {list(self.phases)}; give three rising shares of the training at which kernels, "
                "depths and widths become elastic, e.g. [0.3,0.5,0.75]"
            )
        self.drop()

    def drop(self) -> Drop:
        """The regularisation of the full network."""
        return Drop(dropout=self.dropout, connect=self.drop_connect)

    def phase(self, progress: float) -> int:
        """The position in ``PHASES`` of what becomes elastic last."""
        return sum(progress >= start for start in self.phases)

    def build(self, trainee: Trainee) -> Rule:
        return ProgressiveShrinkingRule(self, trainee)


@final
@dataclass(frozen=True)
class ProgressiveShrinkingRule:
    """The step: the full network learns from the labels, the others from its logits, which are detached."""

    recipe: ProgressiveShrinking
    trainee: Trainee

    def backward(self, x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        """Adds the gradients of images (N, C, H, W) with labels (N,)."""
        trainee, phase, labels = self.trainee, self.recipe.phase(progress), self.trainee.labels(y)
        full = draw_within(trainee.space, trainee.rng, phase=0)
        teacher, done = trainee.learn(full, x, name="loss_largest", loss_of=labels, drop=self.recipe.drop())
        target, passes = student_loss(self.recipe.distill, teacher=teacher, labels=labels), [done]
        for _ in range(self.recipe.random_subnets if phase else 0):
            arch = draw_within(trainee.space, trainee.rng, phase=phase)
            passes.append(trainee.learn(arch, x, name="loss_random", loss_of=target)[1])
        return StepResult(tuple(passes))


def draw_within(space: SearchSpace, rng: np.random.Generator, *, phase: int) -> Architecture:
    """An architecture that is random where the phase is elastic, and the largest elsewhere."""
    largest = space.encode([space.largest()])
    drawn = rng.integers(0, space.coding.radices, size=largest.shape)
    # What the largest network does not read is not read here either, as long as its block kind is kept.
    row = np.where(elastic(space, phase), drawn, np.where(largest == ABSENT, 0, largest))
    return space.decode(space.canonical_rows(row))[0]


def elastic(space: SearchSpace, phase: int) -> NDArray[np.bool_]:
    """Which dimensions (genes,) are free in a phase."""
    return np.array([_first_phase(d.name) <= phase for d in space.dimensions], bool)


def _first_phase(name: str) -> int:
    if name == "resolution":
        return 0
    for phase in (1, 2):
        if name.endswith(PHASES[phase]):
            return phase
    return len(PHASES) - 1
