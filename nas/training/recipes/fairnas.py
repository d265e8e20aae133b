"""Strict fairness (Chu et al. 2019, "FairNAS", section 3.2): every choice is trained equally often."""

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
    """In each step as many networks as the longest list has choices, which together have every choice.

    All learn from the labels; their gradients are summed before the one update.
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

    The longest list of choices that decide weights gives their number: each of its choices is in one
    network. A shorter list begins anew when it is used up, so that two of its choices differ by at most one
    network. The resolution has no weights of its own: its values are drawn without repetition. What a network
    does not read, such as the kernel of a block beyond its depth, is not trained by it.
    """
    counts = [len(d.choices) for d in space.dimensions]
    networks = max((n for n, d in zip(counts, space.dimensions, strict=True) if d.stage >= 0), default=1)
    return space.decode(space.canonical_rows(fair_rows(counts, networks, rng)))


def fair_rows(counts: Sequence[int], rows: int, rng: np.random.Generator) -> IntArray:
    """Rows (rows, genes) whose columns are permutations of their choices, one after another."""
    columns = [_cycle(count, rows, rng) for count in counts]
    return np.array(columns, np.int64).reshape(len(counts), rows).T


def _cycle(count: int, length: int, rng: np.random.Generator) -> IntArray:
    """So many numbers below ``count``: whole permutations, then a part of one."""
    permutations = [rng.permutation(count) for _ in range(-(-length // count))]
    return np.concatenate(permutations)[:length]
