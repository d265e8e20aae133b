"""How the random subnets of a training step are drawn."""

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
"""Architectures from which attentive sampling draws."""

NEIGHBOURS = POOL // 64
"""Candidates of a step lie this near to each other in the pool, which is ordered by MACs."""

Judge = Callable[[Sequence[Architecture]], Tensor]
"""Gives the losses (n,) of architectures on the current batch; the same in all processes."""


class Draw(ABC):
    """Draws architectures; what it knows besides ``rng`` is fixed when it is made."""

    @abstractmethod
    def __call__(self, rng: np.random.Generator, judge: Judge) -> Architecture:
        """One architecture."""


@final
@dataclass(frozen=True)
class UniformDraw(Draw):
    """Every free choice drawn uniformly."""

    space: SearchSpace

    def __call__(self, rng: np.random.Generator, judge: Judge) -> Architecture:
        return self.space.sample(rng)


@final
@dataclass(frozen=True, eq=False)
class AttentiveDraw(Draw):
    """The best or the worst of some candidates of about the same MACs.

    Attributes:
        space: The search space.
        pool: Rows (N, genes) of uniformly drawn architectures, in the order of their MACs.
        candidates: How many are compared.
        worst: Whether the one with the highest loss is taken, not the lowest.
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
        """Positions (candidates,) in the pool, around one that is drawn uniformly from it."""
        target = int(rng.integers(len(self.pool)))
        first = min(max(target - NEIGHBOURS // 2, 0), len(self.pool) - NEIGHBOURS)
        return first + rng.choice(NEIGHBOURS, size=self.candidates, replace=False)


KEEP = ("best", "worst")
"""Which candidate attentive sampling takes."""


def _uniform(space: SearchSpace, rng: np.random.Generator, *, candidates: int, keep: str) -> Draw:
    return UniformDraw(space)


def _attentive(space: SearchSpace, rng: np.random.Generator, *, candidates: int, keep: str) -> Draw:
    rows = space.sample_many(POOL, rng)
    order = np.argsort(space.costs(rows)["macs"], kind="stable")
    return AttentiveDraw(space, rows[order], candidates=candidates, worst=keep == "worst")


SAMPLINGS = {"uniform": _uniform, "attentive": _attentive}


def check_sampling(name: str, *, candidates: int, keep: str) -> None:
    """Checks how architectures are to be drawn.

    Raises:
        UserError: If there is no such sampling, or its options do not fit.
    """
    if name not in SAMPLINGS:
        raise unknown("sampling", name, SAMPLINGS)
    if keep not in KEEP:
        raise unknown("attentive_keep", keep, KEEP)
    if not 2 <= candidates <= NEIGHBOURS:
        raise UserError(f"attentive_candidates is {candidates}; give 2 to {NEIGHBOURS}")


def make_draw(name: str, *, space: SearchSpace, rng: np.random.Generator, candidates: int, keep: str) -> Draw:
    """What draws random subnets.

    Args:
        name: ``uniform``, or ``attentive`` (Wang et al. 2021, "AttentiveNAS"): of some candidates whose MACs
            are alike, and distributed as the space has them, one is kept by its loss on the step's images.
        space: The search space.
        rng: Draws what is fixed for the whole training.
        candidates: How many candidates are compared.
        keep: ``best``, which sharpens the Pareto front, or ``worst``, which lifts what lags behind.
    """
    return SAMPLINGS[name](space, rng, candidates=candidates, keep=keep)
