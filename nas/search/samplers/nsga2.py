"""NSGA-II (Deb et al. 2002), with constrained domination."""

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
class Nsga2(Sampler):
    """Generations bred from the best fronts so far, by mutation of blocks and crossover of stages.

    Attributes:
        population: Networks in a generation.
    """

    NAME: ClassVar[str] = "nsga2"

    population: int = 20

    def __post_init__(self) -> None:
        check_at_least(self, "population", self.population, 2)

    def build(self, problem: Problem, *, goals: Goals, seed: int) -> BaseSampler:
        from nas.search.samplers.planning.evolution import Generations
        from nas.search.samplers.planning.sampler import PlannedSampler
        from nas.search.samplers.planning.selection import survivors

        planner = Generations(
            problem,
            goals,
            self.population,
            lambda losses, broken, count, _: survivors(losses, broken, count),
        )
        return PlannedSampler(problem, planner, goals=goals, seed=seed)
