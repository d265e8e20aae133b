"""The problem of a search, and its candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import final, overload

import numpy as np

from nas.arrays import IntArray
from nas.network import NetworkSpec
from nas.space import Architecture, SearchSpace


@final
@dataclass(frozen=True)
class Problem:
    """The problem of a search: a space, and the classes and channels of its networks.

    Attributes:
        space: The search space.
        classes: Number of classes.
        input_channels: Channels of the image; ``None`` for the space's own.
    """

    space: SearchSpace
    classes: int = 1000
    input_channels: int | None = None

    def candidates(self, rows: IntArray) -> list[Candidate]:
        """Returns the candidates of canonical rows (N, genes)."""
        return [Candidate(tuple(row), self) for row in np.asarray(rows).tolist()]

    def candidate(self, arch: Architecture) -> Candidate:
        """Returns the candidate of an architecture.

        Raises:
            UserError: If the architecture is not of this space.
        """
        return self.candidates(self.space.encode([arch]))[0]


@final
@dataclass(frozen=True)
class Candidate:
    """One architecture, identified by its canonical row; everything else is computed on demand.

    Attributes:
        row: The positions of its choices, one for each dimension of the space; -1 for inactive dimensions.
        problem: The problem that it belongs to.
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

    def release(self) -> None:
        """Frees the memory of architecture and network, which are computed again on demand."""
        for name in ("architecture", "network"):
            self.__dict__.pop(name, None)


@final
@dataclass(frozen=True)
class Networks(Sequence[NetworkSpec]):
    """The networks of candidates, each made on first access.

    Attributes:
        candidates: At least one candidate, all of the same problem.
    """

    candidates: Sequence[Candidate]

    @property
    def problem(self) -> Problem:
        return self.candidates[0].problem

    @cached_property
    def rows(self) -> IntArray:
        """The canonical rows, (N, genes), for evaluations that do not need the networks."""
        return np.array([each.row for each in self.candidates], np.int64).reshape(len(self.candidates), -1)

    def __len__(self) -> int:
        return len(self.candidates)

    @overload
    def __getitem__(self, index: int) -> NetworkSpec: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[NetworkSpec]: ...

    def __getitem__(self, index: int | slice) -> NetworkSpec | Sequence[NetworkSpec]:
        if isinstance(index, slice):
            return [each.network for each in self.candidates[index]]
        return self.candidates[index].network
