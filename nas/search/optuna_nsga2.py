"""Optuna's NSGA-II, made to do the same after an interruption."""

from __future__ import annotations

from typing import final

from optuna.samplers import NSGAIISampler
from optuna.study import Study
from optuna.trial import FrozenTrial


@final
class OrderedNsga2(NSGAIISampler):
    """NSGA-II whose parents always stand in the order of their trials.

    Optuna gives the parents in order of rank when a process first asks for them, and in order of trials from
    then on. As crossover draws by position, the children would depend on when a search was resumed.
    """

    def select_parent(self, study: Study, generation: int) -> list[FrozenTrial]:
        return sorted(super().select_parent(study, generation), key=lambda trial: trial.number)
