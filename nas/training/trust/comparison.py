"""Checking a supernet: does it rank networks as training them alone does?

The comparison of Yu et al. 2020, "Evaluating the Search Phase of Neural Architecture Search", section 3.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.arrays import FloatArray
from nas.errors import UserError, unknown
from nas.files import fields_of, read_csv
from nas.network import NetworkSpec
from nas.statistics import Interval, bootstrap, kendall_tau, precision_at_top, spearman
from nas.training.history_csv import write_csv

if TYPE_CHECKING:
    from nas.training.evaluation import Accuracy

IMAGES = ("validation", "test")
EXTREMES = ("smallest", "largest")


@dataclass(frozen=True, kw_only=True)
class TrustPlan:
    """The settings of a comparison.

    Attributes:
        networks: Number of random networks, beside the smallest and the largest.
        images: The images of both accuracies, one of ``IMAGES``. Training uses neither.
        top: Number of best networks for the precision.
        resamples: Number of bootstrap samples.
        bands: Number of bands of nearly equal MACs in which the networks lie; ``None`` spreads them.
    """

    networks: int
    images: str
    top: int
    resamples: int
    bands: int | None = None

    def __post_init__(self) -> None:
        if self.images not in IMAGES:
            raise unknown("trust.images", self.images, IMAGES)
        if self.networks < 1:
            raise UserError(f"trust.networks is {self.networks}; give at least 1, better 14 or more")
        if self.bands is not None and (self.bands < 1 or self.networks % self.bands):
            raise UserError(
                f"trust.bands is {self.bands}; give null to spread the {self.networks} networks, or a number "
                "of bands that divides them evenly"
            )
        if not 1 <= self.top <= self.networks:
            raise UserError(
                f"trust.top is {self.top}; give 1 to {self.networks}, the number of random networks"
            )
        if self.resamples < 1:
            raise UserError(f"trust.resamples is {self.resamples}; give at least 1, better 2000")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network of the comparison.

    Attributes:
        role: ``smallest``, ``largest`` or ``random``.
        code: Its architecture's code.
        network: The network.
    """

    role: str
    code: str
    network: NetworkSpec


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A network with both accuracies, a row of ``networks.csv``.

    Attributes:
        role: ``smallest``, ``largest`` or ``random``.
        code: Its architecture's code.
        resolution: Side of its input in pixels.
        macs: Multiply-accumulates for one image.
        params: Trainable parameters.
        images: Number of images of each accuracy.
        inherited_correct: Correctly classified images with the supernet's weights.
        alone_correct: Correctly classified images with its own weights, trained alone.
        seconds: Time of its training.
    """

    role: str
    code: str
    resolution: int
    macs: int
    params: int
    images: int
    inherited_correct: int
    alone_correct: int
    seconds: float

    @property
    def inherited(self) -> float:
        """Accuracy with the supernet's weights, 0 to 1."""
        return self.inherited_correct / self.images

    @property
    def alone(self) -> float:
        """Accuracy when trained alone, 0 to 1."""
        return self.alone_correct / self.images

    @classmethod
    def parse(cls, row: Mapping[str, str]) -> Compared:
        """A row of ``networks.csv``."""
        types: dict[str, Callable[[str], Any]] = {"role": str, "code": str, "seconds": float}
        return cls(**{field.name: types.get(field.name, int)(row[field.name]) for field in fields(cls)})


def compare(
    subjects: Sequence[Subject],
    *,
    inherited: Callable[[NetworkSpec], Accuracy],
    alone: Callable[[NetworkSpec], Accuracy],
    path: Path,
    on_row: Callable[[Compared], None] = lambda _: None,
) -> list[Compared]:
    """Computes both accuracies of each network. An interrupted call is resumed.

    Args:
        subjects: The networks.
        inherited: Computes the accuracy with the supernet's weights.
        alone: Trains a network and computes its accuracy on the same images.
        path: A CSV file, rewritten after each network. Its rows are not computed again.
        on_row: Called with each new row.
    """
    rows = read_compared(path) if path.is_file() else []
    codes = {row.code for row in rows}
    for subject in subjects:
        if subject.code in codes:
            continue
        row = _compare(subject, inherited(subject.network), alone)
        rows.append(row)
        write_csv(path, [asdict(item) for item in rows])
        on_row(row)
    return rows


def _compare(subject: Subject, inherited: Accuracy, alone: Callable[[NetworkSpec], Accuracy]) -> Compared:
    network = subject.network
    start = time.perf_counter()
    own = alone(network)
    assert own.total == inherited.total, "both accuracies need the same images"
    return Compared(
        role=subject.role,
        code=subject.code,
        resolution=network.resolution,
        macs=network.macs,
        params=network.params,
        images=own.total,
        inherited_correct=inherited.correct,
        alone_correct=own.correct,
        seconds=round(time.perf_counter() - start, 3),
    )


def read_compared(path: Path) -> list[Compared]:
    """The rows of ``networks.csv``.

    Raises:
        UserError: If the file is damaged.
    """
    remedy = "delete it, and its networks are trained again: nas trust"
    rows = read_csv(path, remedy=remedy)
    with fields_of(path, remedy=remedy):
        return [Compared.parse(row) for row in rows]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The agreement of inherited and stand-alone accuracies, with bootstrap intervals over the networks.

    Attributes:
        networks: Number of networks.
        kendall_tau: τ-b between the two.
        spearman: Rank correlation between the two.
        precision_at_top: Share of the supernet's best that are among the best when trained alone.
        gap_points: Mean gain of training alone, in percentage points.
        macs_kendall_tau: The control: τ-b between multiply-accumulates and stand-alone accuracy.
    """

    networks: int
    kendall_tau: Interval
    spearman: Interval
    precision_at_top: Interval
    gap_points: Interval
    macs_kendall_tau: Interval

    @classmethod
    def of(cls, rows: Sequence[Compared], *, top: int, resamples: int, seed: int) -> Agreement:
        """The agreement over ``rows``; ``seed`` determines the bootstrap samples."""
        inherited, alone = [row.inherited for row in rows], [row.alone for row in rows]
        interval = partial(bootstrap, seed=seed, resamples=resamples)
        return cls(
            networks=len(rows),
            kendall_tau=interval(kendall_tau, inherited, alone),
            spearman=interval(spearman, inherited, alone),
            precision_at_top=interval(partial(precision_at_top, top=top), inherited, alone),
            gap_points=interval(mean_gap_points, inherited, alone),
            macs_kendall_tau=interval(kendall_tau, [row.macs for row in rows], alone),
        )

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value.to_dict() if isinstance(value, Interval) else value for name, value in values.items()
        }


def mean_gap_points(inherited: FloatArray, alone: FloatArray) -> float:
    """The mean gain of training alone, in percentage points, from accuracies (N,)."""
    return 100 * float(np.mean(alone - inherited))


def random_only(rows: Sequence[Compared]) -> list[Compared]:
    """The random networks. The extremes are easy to rank and raise every correlation."""
    return [row for row in rows if row.role not in EXTREMES]
