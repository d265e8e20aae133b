"""The tree-structured Parzen estimator for several objectives (Ozaki et al. 2022)."""

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
class Tpe(Sampler):
    """Optuna's TPE; the time per proposal grows with the number of trials.

    Attributes:
        startup: Random networks before the estimator is used.
    """

    NAME: ClassVar[str] = "tpe"

    startup: int = 20

    def __post_init__(self) -> None:
        check_at_least(self, "startup", self.startup, 1)

    def build(self, problem: Problem, *, goals: Goals, seed: int) -> BaseSampler:
        from optuna.samplers import TPESampler

        return TPESampler(n_startup_trials=self.startup, seed=seed)
