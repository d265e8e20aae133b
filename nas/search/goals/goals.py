"""The goals of a search: objectives and limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from nas.arrays import FloatArray
from nas.errors import UserError
from nas.search.goals.objectives import Forecast, Objective
from nas.search.goals.pareto import Direction, as_losses


@final
@dataclass(frozen=True)
class Goals:
    """Objectives and limits.

    Attributes:
        objectives: Quantities to optimise; the first one decides the winner.
        limits: Quantities to keep within a bound but not to optimise.

    Raises:
        UserError: If there is no objective, two names are equal, or a limit has no bound.
    """

    objectives: Sequence[Objective]
    limits: Sequence[Objective] = ()

    def __post_init__(self) -> None:
        names = [each.name for each in self.quantities]
        if not self.objectives or len(set(names)) < len(names):
            raise UserError(f"a search needs objectives with different names, not {names}")
        if unbounded := [limit.name for limit in self.limits if limit.bound is None]:
            raise UserError(f"the limits {unbounded} have no bound; give each one, or make it an objective")

    @cached_property
    def quantities(self) -> tuple[Objective, ...]:
        """Objectives, then limits: the order of a network's values."""
        return (*self.objectives, *self.limits)

    @cached_property
    def bounded(self) -> tuple[Objective, ...]:
        """Predicted quantities with a bound; a network that breaks one is never evaluated."""
        return tuple(each for each in self.quantities if each.predicted and each.bound is not None)

    @property
    def forecast(self) -> Forecast | None:
        """How the accuracy is predicted, if it is."""
        return next((each.forecast for each in self.quantities if each.forecast is not None), None)

    @cached_property
    def directions(self) -> tuple[Direction, ...]:
        """The direction of each objective."""
        return tuple(each.direction for each in self.objectives)

    def losses(self, values: ArrayLike) -> FloatArray:
        """Returns values (N, objectives) with maximised ones negated, so that lower is always better."""
        return as_losses(values, self.directions)

    def violations(self, values: FloatArray) -> FloatArray:
        """Returns the sums (N,) of the bound violations of values (N, quantities); NaN breaks none."""
        total = np.zeros(len(values))
        for quantity, column in zip(self.quantities, values.T, strict=True):
            if quantity.bound is not None:
                excess = [quantity.violation(value) for value in column.tolist()]
                total += np.maximum(np.nan_to_num(excess), 0.0)
        return total
