"""NSGA-II (Deb et al. 2002), with constrained domination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from nas.search.samplers.base import Sampler, check_at_least, register

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from nas.search.candidate import Problem
    from nas.search.objectives import Objective


@final
@register
@dataclass(frozen=True, kw_only=True)
class Nsga2(Sampler):
    """Optuna's NSGA-II with uniform crossover; one choice in each child is drawn anew on average.

    Attributes:
        population: Networks in a generation.
    """

    NAME: ClassVar[str] = "nsga2"

    population: int = 20

    def __post_init__(self) -> None:
        check_at_least(self, "population", self.population, 2)

    def build(self, problem: Problem, *, objectives: Sequence[Objective], seed: int) -> BaseSampler:
        from nas.search.optuna_nsga2 import OrderedNsga2

        return OrderedNsga2(population_size=self.population, seed=seed)
