"""Random search: every choice drawn uniformly. It is the control for all others (Li and Talwalkar 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from nas.search.samplers.base import Sampler, register

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from nas.search.goals.goals import Goals
    from nas.search.goals.problem import Problem


@final
@register
@dataclass(frozen=True, kw_only=True)
class Random(Sampler):
    """Every choice is drawn uniformly, regardless of earlier results."""

    NAME: ClassVar[str] = "random"

    def build(self, problem: Problem, *, goals: Goals, seed: int) -> BaseSampler:
        from optuna.samplers import RandomSampler

        return RandomSampler(seed=seed)
