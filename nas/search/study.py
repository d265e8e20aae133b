"""The description of a search, shared by its processes and by a resumed search."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, final

from nas.errors import UserError
from nas.network import NORM_EPSILON
from nas.search.goals.goals import Goals
from nas.search.goals.problem import Candidate, Problem
from nas.search.proposals import default_initial
from nas.search.results.winners import check_budgets
from nas.search.samplers import Sampler
from nas.space import Architecture


@final
@dataclass(frozen=True, kw_only=True)
class Study:
    """A search as a value; ``nas.search.search`` runs it.

    Attributes:
        problem: The space, and the classes and channels of its networks.
        goals: Objectives and bounds; the first objective decides the winner, see
            ``nas.search.results.results.choose_winner``.
        sampler: Proposes networks, see ``nas.search.make_sampler``.
        trials: Number of evaluations.
        seed: Seed of all random choices.
        initial: Networks to evaluate first; by default, the smallest, the largest and the middle one.
        context: Further facts that must match for a search to resume, such as hashes of the weights and of
            the latency table.
        control: Whether to run random search too, with the same budget and initial networks.
        reference: The reference point of the hypervolume, one value for each objective; by default a bound,
            or the worst value of all evaluations.
        budgets_ms: Latency budgets; the best network within each is a winner too.

    Raises:
        UserError: If the trials, the seed or a budget is invalid.
    """

    problem: Problem
    goals: Goals
    sampler: Sampler
    trials: int
    seed: int
    initial: Sequence[Architecture] | None = None
    context: Mapping[str, str] = field(default_factory=dict)
    control: bool = False
    reference: Sequence[float] | None = None
    budgets_ms: Sequence[float] = ()

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise UserError(f"a search of {self.trials} trials evaluates nothing; give trials of at least 1")
        if self.seed < 0:
            raise UserError(f"the search's seed is {self.seed}; it must be 0 or more")
        check_budgets([each.name for each in self.goals.quantities], self.budgets_ms)

    @cached_property
    def first(self) -> tuple[Candidate, ...]:
        """The networks to evaluate first.

        Raises:
            UserError: If one is not of the space.
        """
        archs = default_initial(self.problem.space) if self.initial is None else self.initial
        return tuple(self.problem.candidate(arch) for arch in archs)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What must match for a search to resume, as JSON values."""
        problem, space = self.problem, self.problem.space
        parts: tuple[object, ...] = (space.resolutions, space.stages, space.stem, space.head, space.rounding)
        if space.norm_epsilon != NORM_EPSILON:
            parts += (space.norm_epsilon,)
        return {
            "space": f"{space.name} {hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}",
            "classes": problem.classes,
            "input_channels": problem.input_channels or space.input_channels,
            "objectives": [objective.facts for objective in self.goals.objectives],
            "limits": [limit.facts for limit in self.goals.limits],
            "sampler": {"name": self.sampler.NAME, **asdict(self.sampler)},
            **self.context,
        }

    @property
    def name(self) -> str:
        """Its name in a database, derived from the facts that its workers must share."""
        text = json.dumps(self.facts, sort_keys=True)
        return f"{self.problem.space.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
