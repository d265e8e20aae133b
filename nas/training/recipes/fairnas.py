"""Strict fairness (Chu et al. 2019, "FairNAS", section 3.2): all choices are trained equally often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from torch import Tensor

from nas.arrays import IntArray
from nas.space import Architecture, SearchSpace
from nas.training.optimization import StepResult
from nas.training.recipes.base import Recipe, Rule, Trainee, register


@final
@register
@dataclass(frozen=True, kw_only=True)
class FairNas(Recipe):
    """Trains as many networks per step as the longest list has choices. Together they have every choice.

    All learn from the labels. Their gradients are summed before the update.
    """

    NAME: ClassVar[str] = "fairnas"

    def build(self, trainee: Trainee) -> Rule:
        return FairNasRule(trainee)


@final
@dataclass(frozen=True)
class FairNasRule:
    """The step; ``trainee.rng`` draws its networks."""

    trainee: Trainee

    def backward(self, x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        """Adds the gradients of images (N, C, H, W) with labels (N,)."""
        labels = self.trainee.labels(y)
        archs = fair_round(self.trainee.space, self.trainee.rng)
        learned = [self.trainee.learn(arch, x, name="loss_random", loss_of=labels) for arch in archs]
        return StepResult(tuple(done for _, done in learned))


def fair_round(space: SearchSpace, rng: np.random.Generator) -> list[Architecture]:
    """The networks of one step.

    Their number is the length of the longest list of choices with weights: each of its choices is in one
    network. Shorter lists are repeated, so that the counts of two choices differ by at most one. Resolutions
    have no weights; their values are drawn without repetition. A network does not train choices that it does
    not read, such as the kernel of a block beyond its depth.
    """
    counts = [len(d.choices) for d in space.dimensions]
    networks = max((n for n, d in zip(counts, space.dimensions, strict=True) if d.stage >= 0), default=1)
    return space.decode(space.canonical_rows(fair_rows(counts, networks, rng)))


def fair_rows(counts: Sequence[int], rows: int, rng: np.random.Generator) -> IntArray:
    """Rows (rows, genes) whose columns are consecutive permutations of their choices."""
    columns = [_cycle(count, rows, rng) for count in counts]
    return np.array(columns, np.int64).reshape(len(counts), rows).T


def _cycle(count: int, length: int, rng: np.random.Generator) -> IntArray:
    """``length`` numbers below ``count``: whole permutations, then a part of one."""
    permutations = [rng.permutation(count) for _ in range(-(-length // count))]
    return np.concatenate(permutations)[:length]
