"""Bayesian optimisation with Gaussian processes, as Optuna does it."""

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
class Gp(Sampler):
    """Optuna's sampler: the improvement of the hypervolume to expect, times the probability that bounds hold.

    One process is fitted to each objective and each bound, those that are predicted included. Its time for a
    proposal grows with the cube of the trials: it is meant for 100 to 200 of them.

    Attributes:
        startup: Networks drawn by chance before the processes are used.
    """

    NAME: ClassVar[str] = "gp"

    startup: int = 20

    def __post_init__(self) -> None:
        check_at_least(self, "startup", self.startup, 1)

    def build(self, problem: Problem, *, goals: Goals, seed: int) -> BaseSampler:
        from optuna.samplers import GPSampler

        return GPSampler(seed=seed, n_startup_trials=self.startup, warn_independent_sampling=False)
