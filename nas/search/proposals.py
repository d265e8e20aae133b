"""Proposals besides the sampler's: initial networks, and replacements for unusable proposals."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.search.goals.problem import Candidate, Problem
from nas.search.reachable import neighbour_rows
from nas.space import Architecture, SearchSpace

Violations = Callable[[Sequence[Candidate]], FloatArray]

_ROUNDS, _DRAWS = 5, 500


def default_initial(space: SearchSpace) -> tuple[Architecture, ...]:
    """Returns the smallest, the largest, and the network with the middle of every list of choices."""
    middle = np.array([[_middle(d.choices) for d in space.dimensions]], np.int64)
    rows = space.canonical_rows(middle.reshape(1, len(space.dimensions)))
    return tuple(dict.fromkeys((space.smallest(), space.largest(), *space.decode(rows))))


def _middle(choices: Sequence[object]) -> int:
    """Returns the position of the median; words keep their order."""
    order = sorted(range(len(choices)), key=lambda i: choices[i] if not isinstance(choices[i], str) else i)  # type: ignore[arg-type,return-value]
    return order[len(order) // 2]


def mutant(
    candidate: Candidate, seen: Container[Candidate], rng: np.random.Generator, *, tries: int = 30
) -> Candidate | None:
    """Returns an unseen network near ``candidate``; mutations grow with each try."""
    problem = candidate.problem
    genes = max(1, len(candidate.row))
    for number in range(tries):
        arch = problem.space.mutate(
            candidate.architecture, rng, probability=min(1.0, (1 + number / 5) / genes)
        )
        child = problem.candidate(arch)
        if child not in seen:
            return child
    return None


def fresh(
    problem: Problem,
    *,
    seen: Container[Candidate],
    feasible: Sequence[Candidate],
    violations: Violations,
    rng: np.random.Generator,
) -> Candidate | None:
    """Returns an unseen network that breaks no predicted bound.

    It is sampled uniformly or, if such networks are rare, a neighbour of a known one.

    Returns:
        The network, or ``None`` if the space within the bounds is exhausted.
    """
    for _ in range(_ROUNDS):
        network = _first(problem, problem.space.sample_many(_DRAWS, rng), seen, violations)
        if network is not None:
            return network
    for position in rng.permutation(len(feasible)).tolist():
        rows = rng.permutation(neighbour_rows(problem, feasible[position]), axis=0)
        network = _first(problem, rows, seen, violations)
        if network is not None:
            return network
    return None


def _first(
    problem: Problem, rows: IntArray, seen: Container[Candidate], violations: Violations
) -> Candidate | None:
    unseen = [candidate for candidate in problem.candidates(rows) if candidate not in seen]
    if not unseen:
        return None
    allowed = np.flatnonzero(violations(unseen) <= 0)
    return unseen[int(allowed[0])] if len(allowed) else None
