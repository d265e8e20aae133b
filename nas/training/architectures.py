"""Sampling the random subnets of a training step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from torch import Tensor

from nas.arrays import IntArray
from nas.errors import UserError, unknown
from nas.space import Architecture, SearchSpace

POOL = 4096
"""Number of architectures from which attentive sampling draws."""

NEIGHBOURS = POOL // 64
"""Length of the window of the pool, ordered by MACs, that contains a step's candidates."""

Judge = Callable[[Sequence[Architecture]], Tensor]
"""From architectures to their losses (n,) on the current batch, equal in all processes."""


class Draw(ABC):
    """Draws architectures; its only state is ``rng``."""

    @abstractmethod
    def __call__(self, rng: np.random.Generator, judge: Judge) -> Architecture:
        """One architecture."""


@final
@dataclass(frozen=True)
class UniformDraw(Draw):
    """Draws every free choice uniformly."""

    space: SearchSpace

    def __call__(self, rng: np.random.Generator, judge: Judge) -> Architecture:
        return self.space.sample(rng)


@final
@dataclass(frozen=True, eq=False)
class AttentiveDraw(Draw):
    """Takes the best or the worst of several candidates with similar MACs.

    Attributes:
        space: The search space.
        pool: Rows (N, genes) of uniformly drawn architectures, ordered by MACs.
        candidates: Number of candidates.
        worst: Whether to take the highest loss instead of the lowest.
    """

    space: SearchSpace
    pool: IntArray
    candidates: int
    worst: bool

    def __call__(self, rng: np.random.Generator, judge: Judge) -> Architecture:
        archs = self.space.decode(self.pool[self.near(rng)])
        losses = judge(archs)
        return archs[int(losses.argmax() if self.worst else losses.argmin())]

    def near(self, rng: np.random.Generator) -> IntArray:
        """Positions (candidates,) in the pool, near a uniformly drawn one."""
        target = int(rng.integers(len(self.pool)))
        first = min(max(target - NEIGHBOURS // 2, 0), len(self.pool) - NEIGHBOURS)
        return first + rng.choice(NEIGHBOURS, size=self.candidates, replace=False)


KEEP = ("best", "worst")
"""The allowed values of ``keep``."""


def _uniform(space: SearchSpace, rng: np.random.Generator, *, candidates: int, keep: str) -> Draw:
    return UniformDraw(space)


def _attentive(space: SearchSpace, rng: np.random.Generator, *, candidates: int, keep: str) -> Draw:
    rows = space.sample_many(POOL, rng)
    order = np.argsort(space.costs(rows)["macs"], kind="stable")
    return AttentiveDraw(space, rows[order], candidates=candidates, worst=keep == "worst")


SAMPLINGS = {"uniform": _uniform, "attentive": _attentive}


def check_sampling(name: str, *, candidates: int, keep: str) -> None:
    """Checks the settings of subnet sampling.

    Raises:
        UserError: If there is no such sampling, or an option is out of range.
    """
    if name not in SAMPLINGS:
        raise unknown("sampling", name, SAMPLINGS)
    if keep not in KEEP:
        raise unknown("attentive_keep", keep, KEEP)
    if not 2 <= candidates <= NEIGHBOURS:
        raise UserError(f"attentive_candidates is {candidates}; give 2 to {NEIGHBOURS}")


def make_draw(name: str, *, space: SearchSpace, rng: np.random.Generator, candidates: int, keep: str) -> Draw:
    """The function that draws random subnets.

    Args:
        name: ``uniform``, or ``attentive`` (Wang et al. 2021, "AttentiveNAS"), which compares candidates of
            similar MACs by their losses on the step's images. MACs are distributed as in the space.
        space: The search space.
        rng: Draws the pool, which is fixed for the whole training.
        candidates: Number of candidates.
        keep: ``best``, which improves the Pareto front, or ``worst``, which improves the weakest networks.
    """
    return SAMPLINGS[name](space, rng, candidates=candidates, keep=keep)
