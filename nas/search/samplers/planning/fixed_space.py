"""A sampler over a fixed set of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState


@final
class FixedSpace(BaseSampler):
    """Delegates to another sampler and supplies the parameters in use.

    Optuna's samplers search all earlier trials for their common parameters. Here all trials have the same
    ones. A new sampler is then cheap enough to be built for every trial, each with its own seed, so that
    proposals depend on the trials alone and not on when a search was killed.
    """

    def __init__(self, inner: BaseSampler, parameters: dict[str, BaseDistribution]) -> None:
        self._inner = inner
        self._parameters = parameters

    def reseed_rng(self) -> None:
        self._inner.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._parameters

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._inner.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._inner.after_trial(study, trial, state, values)
