"""Regularised evolution (Real et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from nas.search.samplers.base import Sampler, check_at_least, register

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from nas.search.goals.goals import Goals
    from nas.search.goals.problem import Problem


@final
@register
@dataclass(frozen=True, kw_only=True)
class Evolution(Sampler):
    """Mutants of the best of a few networks that are drawn from the newest ones; the oldest die.

    Attributes:
        population: Networks that are alive.
        sample: Networks that compete to become a parent.
        children: Children that are made at once.
    """

    NAME: ClassVar[str] = "evolution"

    population: int = 50
    sample: int = 10
    children: int = 5

    def __post_init__(self) -> None:
        check_at_least(self, "population", self.population, 2)
        check_at_least(self, "sample", self.sample, 1)
        check_at_least(self, "children", self.children, 1)

    def build(self, problem: Problem, *, goals: Goals, seed: int) -> BaseSampler:
        from nas.search.samplers.planning.evolution import Aging
        from nas.search.samplers.planning.planned import PlannedSampler

        planner = Aging(problem, goals, self.population, self.sample, self.children)
        return PlannedSampler(problem, planner, goals=goals, seed=seed)
