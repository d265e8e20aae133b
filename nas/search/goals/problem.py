"""What is searched, and a candidate: one architecture of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import numpy as np

from nas.arrays import IntArray
from nas.network import NetworkSpec
from nas.space import Architecture, SearchSpace


@final
@dataclass(frozen=True)
class Problem:
    """What is searched: a space, and what its networks read and tell apart.

    Attributes:
        space: The search space.
        classes: Outputs of the classifier.
        input_channels: Channels of the image; ``None`` for the space's own.
    """

    space: SearchSpace
    classes: int = 1000
    input_channels: int | None = None

    def candidates(self, rows: IntArray) -> list[Candidate]:
        """Candidates of canonical rows (N, genes)."""
        return [Candidate(tuple(row), self) for row in np.asarray(rows).tolist()]

    def candidate(self, arch: Architecture) -> Candidate:
        """The candidate of an architecture.

        Raises:
            UserError: If the architecture is not of this space.
        """
        return self.candidates(self.space.encode([arch]))[0]


@final
@dataclass(frozen=True)
class Candidate:
    """One architecture. Its canonical row is its identity; the rest is made when it is asked for.

    Attributes:
        row: The positions of its choices, one for each dimension of the space; -1 where nothing reads it.
        problem: The space, and with what heads and inputs its networks are built.
    """

    row: tuple[int, ...]
    problem: Problem = field(compare=False, repr=False)

    @cached_property
    def architecture(self) -> Architecture:
        return self.problem.space.decode(np.array([self.row], np.int64))[0]

    @cached_property
    def network(self) -> NetworkSpec:
        return self.problem.space.network(
            self.architecture, classes=self.problem.classes, input_channels=self.problem.input_channels
        )

    @cached_property
    def code(self) -> str:
        return str(self.architecture)


def rows_of(candidates: Sequence[Candidate]) -> IntArray:
    """The rows of candidates, (N, genes)."""
    return np.array([candidate.row for candidate in candidates], np.int64).reshape(len(candidates), -1)
