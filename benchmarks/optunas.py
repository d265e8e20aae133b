"""Optuna's NSGA-II and NSGA-III as samplers, for the benchmarks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIIISampler, NSGAIISampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from nas.search import Goals, Problem
from nas.search.samplers import Sampler, register
from nas.search.samplers.planning.history import read_history
from nas.search.samplers.planning.operators import Operators
from nas.search.samplers.planning.selection import survivors
from nas.search.trials.parameters import Parameters


@dataclass(frozen=True, kw_only=True)
class _Optunas(Sampler):
    """One of Optuna's samplers with generations.

    Attributes:
        population: Networks in a generation.
        own: Whether children come from our operators instead of Optuna's.
    """

    CLASS: ClassVar[Callable[..., BaseSampler]]

    population: int = 20
    own: bool = False

    def build(self, problem: Problem, *, goals: Goals, seed: int) -> BaseSampler:
        breed = _Breed(problem, goals, np.random.default_rng(seed)) if self.own else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return type(self).CLASS(
                population_size=self.population, seed=seed, child_generation_strategy=breed
            )


@register
@dataclass(frozen=True, kw_only=True)
class OptunasNsga2(_Optunas):
    """Optuna's NSGA-II."""

    NAME: ClassVar[str] = "optuna_nsga2"
    CLASS = NSGAIISampler


@register
@dataclass(frozen=True, kw_only=True)
class OptunasNsga3(_Optunas):
    """Optuna's NSGA-III."""

    NAME: ClassVar[str] = "optuna_nsga3"
    CLASS = NSGAIIISampler


@dataclass(frozen=True)
class _Breed:
    """Our operators as Optuna's ``child_generation_strategy``."""

    problem: Problem
    goals: Goals
    rng: np.random.Generator

    def __call__(self, study: Study, space: Mapping[str, Any], parents: list[FrozenTrial]) -> dict[str, Any]:
        parameters = Parameters(self.problem)
        history = read_history(sorted(parents, key=lambda trial: trial.number), parameters, self.goals)
        best_first = survivors(history.losses, history.violations, len(history.rows))
        child = Operators(self.problem.space).offspring(history.rows[best_first], 1, self.rng)
        return dict(parameters.params(self.problem.candidates(child)[0], self.rng))
