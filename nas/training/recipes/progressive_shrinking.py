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
"""The choices that become elastic in each phase. Resolutions always are; the last phase frees all others."""


@final
@register
@dataclass(frozen=True, kw_only=True)
class ProgressiveShrinking(Recipe):
    """Trains the full network alone, then random networks beside it, from growing parts of the space.

    The full network of the same step is the teacher, which saves a second set of weights. In the paper, the
    full network of the first phase is the teacher.

    Attributes:
        random_subnets: Number of random networks per step.
        distill: Their distillation from the full network, one of ``DISTILLATIONS``.
        phases: Progress, 0 to 1, at which kernels, then depths, then all other choices become elastic.
        dropout: Dropout before the classifier of the full network.
        drop_connect: Dropped residual branches of the full network, rising with depth.
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
        """The position in ``PHASES`` of the current phase."""
        return sum(progress >= start for start in self.phases)

    def build(self, trainee: Trainee) -> Rule:
        return ProgressiveShrinkingRule(self, trainee)


@final
@dataclass(frozen=True)
class ProgressiveShrinkingRule:
    """The step: the full network learns from the labels, the others from its detached logits."""

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
    """An architecture with random elastic choices and the largest values of all others."""
    largest = space.encode([space.largest()])
    drawn = rng.integers(0, space.coding.radices, size=largest.shape)
    # Choices that the largest network does not read stay unread, unless its block kind changes.
    row = np.where(elastic(space, phase), drawn, np.where(largest == ABSENT, 0, largest))
    return space.decode(space.canonical_rows(row))[0]


def elastic(space: SearchSpace, phase: int) -> NDArray[np.bool_]:
    """The elastic dimensions (genes,) of a phase."""
    return np.array([_first_phase(d.name) <= phase for d in space.dimensions], bool)


def _first_phase(name: str) -> int:
    if name == "resolution":
        return 0
    for phase in (1, 2):
        if name.endswith(PHASES[phase]):
            return phase
    return len(PHASES) - 1
