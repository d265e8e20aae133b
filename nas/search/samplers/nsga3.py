"""NSGA-III (Deb and Jain 2014), for three objectives and more."""

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
class Nsga3(Sampler):
    """As ``nsga2``, with parents spread over niches around evenly spaced directions.

    Attributes:
        population: Networks in a generation; at least as many directions are used.
    """

    NAME: ClassVar[str] = "nsga3"

    population: int = 20

    def __post_init__(self) -> None:
        check_at_least(self, "population", self.population, 2)

    def build(self, problem: Problem, *, goals: Goals, seed: int) -> BaseSampler:
        from nas.search.samplers.planning.evolution import Generations
        from nas.search.samplers.planning.niching import niched_survivors
        from nas.search.samplers.planning.sampler import PlannedSampler

        planner = Generations(problem, goals, self.population, niched_survivors)
        return PlannedSampler(problem, planner, goals=goals, seed=seed)
