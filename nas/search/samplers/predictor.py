"""Search guided by an accuracy predictor, see ``nas.search.samplers.planning.guided``."""

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
class PredictorGuided(Sampler):
    """Fits a predictor, searches it, evaluates the most promising and the most uncertain networks, repeats.

    Attributes:
        predictor: Name of the predictor.
        startup: Random networks before the first predictor is fitted.
        batch: Networks evaluated before the predictor is fitted again; later a fifth of all evaluations.
        candidates: Networks predicted for each batch.
    """

    NAME: ClassVar[str] = "predictor"

    predictor: str = "gaussian_process"
    startup: int = 8
    batch: int = 5
    candidates: int = 4000

    def __post_init__(self) -> None:
        from nas.search.predictors import make_predictor

        make_predictor(self.predictor)
        check_at_least(self, "startup", self.startup, 2)
        check_at_least(self, "batch", self.batch, 1)
        check_at_least(self, "candidates", self.candidates, 1)

    def build(self, problem: Problem, *, goals: Goals, seed: int) -> BaseSampler:
        from nas.search.samplers.planning.guided import Guided
        from nas.search.samplers.planning.sampler import PlannedSampler

        planner = Guided(problem, goals, self.predictor, self.startup, self.batch, self.candidates)
        return PlannedSampler(problem, planner, goals=goals, seed=seed)
