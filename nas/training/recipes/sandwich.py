"""The sandwich rule with in-place distillation (Yu and Huang 2019, "Universally Slimmable Networks",
sections 3.2 and 3.3; Yu et al. 2020, "BigNAS", section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, final

from torch import Tensor, nn

from nas.errors import UserError
from nas.nn import Drop
from nas.training.architectures import Draw, Judge, check_sampling, make_draw
from nas.training.distillation import check_distillation, student_loss
from nas.training.optimization import StepResult
from nas.training.projection import add_projected, take_gradients
from nas.training.recipes.base import Recipe, Rule, Trainee, check_at_least, register


@final
@register
@dataclass(frozen=True, kw_only=True)
class Sandwich(Recipe):
    """Trains the largest subnet, random ones and the smallest in each step, with summed gradients.

    Attributes:
        random_subnets: Number of random subnets.
        distill: Distillation from the largest to the others, one of ``DISTILLATIONS``.
        sampling: Sampling of the random subnets, one of ``SAMPLINGS``.
        attentive_candidates: Number of architectures that attentive sampling compares.
        attentive_keep: The candidate that it takes: ``best`` or ``worst``.
        dropout: Dropout before the classifier of the largest. The others have too little capacity for it.
        drop_connect: Dropped residual branches of the largest, rising with depth.
        project_after: Completed share of the training, 0 to 1, after which the largest's gradients give way
            where they oppose the sum of the others' (``nas.training.projection``); ``None`` adds them all.
    """

    NAME: ClassVar[str] = "sandwich"

    random_subnets: int = 2
    distill: str = "soft"
    sampling: str = "uniform"
    attentive_candidates: int = 3
    attentive_keep: str = "best"
    dropout: float = 0.0
    drop_connect: float = 0.0
    project_after: float | None = None

    def __post_init__(self) -> None:
        check_at_least(self, "random_subnets", self.random_subnets, 0)
        check_distillation(self.distill)
        check_sampling(self.sampling, candidates=self.attentive_candidates, keep=self.attentive_keep)
        if self.project_after is not None and not 0 <= self.project_after <= 1:
            raise UserError(
                f"project_after is {self.project_after}; give the completed share of the training, 0 to 1, "
                "e.g. 0.25, or null for no projection"
            )
        self.drop()

    def drop(self) -> Drop:
        """The regularisation of the largest."""
        return Drop(dropout=self.dropout, connect=self.drop_connect)

    def projects(self, progress: float) -> bool:
        """Whether gradients are projected at a completed share of the training."""
        return self.project_after is not None and progress >= self.project_after

    def build(self, trainee: Trainee) -> Rule:
        draw = make_draw(
            self.sampling,
            space=trainee.space,
            rng=trainee.rng,
            candidates=self.attentive_candidates,
            keep=self.attentive_keep,
        )
        return SandwichRule(self, trainee, draw)


@final
@dataclass(frozen=True)
class SandwichRule:
    """The step: the largest learns from the labels, the others from its detached logits."""

    recipe: Sandwich
    trainee: Trainee
    draw: Draw

    def backward(self, x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        """Adds the gradients of images (N, C, H, W) with labels (N,)."""
        trainee, space, labels = self.trainee, self.trainee.space, self.trainee.labels(y)
        teacher, largest = trainee.learn(
            space.largest(), x, name="loss_largest", loss_of=labels, drop=self.recipe.drop()
        )
        projected = list(trainee.supernet.parameters()) if self.recipe.projects(progress) else []
        self._average(projected, largest.loss, images=len(y))
        kept = take_gradients(projected)
        learn = partial(
            trainee.learn, x=x, loss_of=student_loss(self.recipe.distill, teacher=teacher, labels=labels)
        )
        judge: Judge = partial(trainee.judge, x=x, loss_of=labels)
        drawn = (self.draw(trainee.rng, judge) for _ in range(self.recipe.random_subnets))
        random = [learn(arch, name="loss_random")[1] for arch in drawn]
        _, smallest = learn(space.smallest(), name="loss_smallest")
        self._average(projected, largest.loss, images=len(y))
        add_projected(projected, kept)
        return StepResult((largest, *random, smallest))

    def _average(self, projected: list[nn.Parameter], loss: Tensor, *, images: int) -> None:
        """Averages gradients over all processes, since only those over all images can be compared."""
        if projected:
            self.trainee.compute.processes.average(projected, loss[None], images=images)
