"""The inputs of accuracy predictors: numbers derived from a network's row, for any search space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.search.goals.problem import Problem
from nas.space import Dimension


@final
@dataclass(frozen=True)
class Label:
    """What a feature is.

    Attributes:
        kind: ``"choice"``, ``"sum"`` of choices over a stage, ``"total"`` cost or cost at a ``"place"``.
        name: Name of the choice, e.g. ``"kernel"``.
        stage: Its stage; -1 for the whole network.
    """

    kind: str
    name: str
    stage: int = -1


@final
@dataclass(frozen=True)
class Features:
    """The features of the networks of one problem.

    They are: each choice as a number, 0 where it is inactive (categorical choices are one-hot); sums over a
    stage's blocks, e.g. of its kernel sizes; the logarithms of total multiply-accumulates and parameters; and
    the logarithm of the multiply-accumulates at each place. The last ones capture interactions of choices, so
    that few labelled networks are enough.
    """

    problem: Problem

    def __call__(self, rows: IntArray) -> FloatArray:
        """Features (N, features) of canonical rows (N, genes)."""
        choices = self._choices(rows)
        return np.hstack([choices, choices @ self._sums, self._costs(rows)])

    def _choices(self, rows: IntArray) -> FloatArray:
        # Position -1, which stands for an absent choice, takes the last line of a table: zeros.
        columns = [table[rows[:, column]] for column, table in enumerate(self._tables)]
        return np.hstack(columns) if columns else np.zeros((len(rows), 0))

    def _costs(self, rows: IntArray) -> FloatArray:
        lowered = self.problem.space.lower_many(
            rows, classes=self.problem.classes, input_channels=self.problem.input_channels
        )
        macs = np.array([*(block.macs for block in lowered.blocks), 0], np.float64)  # -1 is an absent block
        params = np.array([block.params for block in lowered.blocks], np.float64)
        by_place = macs[lowered.index]
        totals = np.stack([by_place.sum(axis=1), lowered.total(params)], axis=1)
        logs: FloatArray = np.log1p(np.hstack([totals, by_place]))
        return logs

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """What each column is, in the order of the columns."""
        choices = [Label("choice", d.name, d.stage) for d in self._owners]
        sums = [Label("sum", name, stage) for stage, name in self._groups]
        places = self.problem.space.lower_many(
            self.problem.space.encode([self.problem.space.smallest()]),
            classes=self.problem.classes,
            input_channels=self.problem.input_channels,
        ).index.shape[1]
        return (*choices, *sums, *[Label("total", "cost")] * 2, *[Label("place", "cost")] * places)

    @cached_property
    def weights(self) -> FloatArray:
        """Weights of the columns, (features,), for few noisy labels: the totals weigh as much as all others.

        Choices decide little that total multiply-accumulates and parameters do not. With equal weights, two
        of a hundred columns can explain little before the data say so, and noise hides what they say.
        """
        totals = np.array([label.kind == "total" for label in self.labels])
        return np.where(totals, (~totals).sum() / max(1, totals.sum()), 1.0)

    @cached_property
    def _tables(self) -> list[FloatArray]:
        """For each gene the columns of each of its choices, and of its absence: (choices + 1, columns)."""
        return [_table(d) for d in self.problem.space.dimensions]

    @cached_property
    def _sums(self) -> FloatArray:
        """Adds up the columns of choices that the blocks of a stage have in common, (columns, sums)."""
        member = [[float(_group(d) == group) for group in self._groups] for d in self._owners]
        return np.array(member, np.float64).reshape(len(self._owners), len(self._groups))

    @cached_property
    def _owners(self) -> list[Dimension]:
        """The dimension of each column of choices."""
        dimensions = self.problem.space.dimensions
        return [d for d, table in zip(dimensions, self._tables, strict=True) for _ in range(table.shape[1])]

    @cached_property
    def _groups(self) -> list[tuple[int, str]]:
        """Stage and name of the choices that are summed over a stage's blocks."""
        return list(dict.fromkeys(_group(d) for d in self._owners if d.index >= 0 and not _is_word(d)))


def _group(dimension: Dimension) -> tuple[int, str]:
    return dimension.stage, dimension.name


def _is_word(dimension: Dimension) -> bool:
    return any(isinstance(choice, str) for choice in dimension.choices)


def _table(dimension: Dimension) -> FloatArray:
    choices: Sequence[object] = dimension.choices
    shown = np.eye(len(choices)) if _is_word(dimension) else np.array(choices, np.float64)[:, None]
    return np.vstack([shown, np.zeros((1, shown.shape[1]))])
