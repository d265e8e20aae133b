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
    """Optuna's sampler: expected hypervolume improvement times the probability that the bounds hold.

    One process is fitted to each objective and each bound, predicted ones included. The time per proposal
    grows with the cube of the trials: use it for 100 to 200 trials.

    Attributes:
        startup: Random networks before the processes are used.
    """

    NAME: ClassVar[str] = "gp"

    startup: int = 20

    def __post_init__(self) -> None:
        check_at_least(self, "startup", self.startup, 1)

    def build(self, problem: Problem, *, goals: Goals, seed: int) -> BaseSampler:
        from optuna.samplers import GPSampler

        return GPSampler(seed=seed, n_startup_trials=self.startup, warn_independent_sampling=False)
