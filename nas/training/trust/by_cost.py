"""What a supernet knows beyond cost: gap and ranking by thirds of cost, and among networks of equal cost.

Networks of different multiply-accumulates (MACs) are easy to rank, since larger ones are usually more
accurate. Among networks of equal MACs, the supernet has to know more than their number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.arrays import FloatArray
from nas.statistics import Interval, bootstrap, kendall_tau
from nas.training.trust.comparison import Compared, mean_gap_points

BAND = 0.15
"""Networks within ± this share of a number of MACs count as equally costly."""

THIRDS = ("cheapest third", "middle third", "most expensive third")


@final
@dataclass(frozen=True, kw_only=True)
class Third:
    """A third of the networks, by their MACs.

    Attributes:
        name: One of ``THIRDS``.
        networks: Number of networks.
        macs: Lowest and highest number of MACs.
        gap_points: Mean gain of training alone, in percentage points; negative where sharing is better.
        kendall_tau: τ-b between inherited and stand-alone accuracy.
    """

    name: str
    networks: int
    macs: tuple[int, int]
    gap_points: Interval
    kendall_tau: Interval

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            "name": self.name,
            "networks": self.networks,
            "macs": list(self.macs),
            "gap_points": self.gap_points.to_dict(),
            "kendall_tau": self.kendall_tau.to_dict(),
        }


def thirds(rows: Sequence[Compared], *, resamples: int, seed: int) -> list[Third]:
    """The networks in three groups of rising cost; fewer groups if there are fewer than three networks.

    Args:
        rows: The networks.
        resamples: Number of bootstrap resamples.
        seed: Determines the resamples.
    """
    ordered = sorted(rows, key=lambda row: row.macs)
    parts = np.array_split(np.arange(len(ordered)), len(THIRDS))
    interval = partial(bootstrap, seed=seed, resamples=resamples)
    found = []
    for name, part in zip(THIRDS, parts, strict=True):
        if not len(part):
            continue
        group = [ordered[position] for position in part]
        inherited, alone = [row.inherited for row in group], [row.alone for row in group]
        found.append(
            Third(
                name=name,
                networks=len(group),
                macs=(group[0].macs, group[-1].macs),
                gap_points=interval(mean_gap_points, inherited, alone),
                kendall_tau=interval(kendall_tau, inherited, alone),
            )
        )
    return found


@final
@dataclass(frozen=True, kw_only=True)
class Ranking:
    """How the supernet ranks pairs of networks, beside MACs.

    Attributes:
        pairs: Number of pairs.
        kendall_tau: τ-b between inherited and stand-alone accuracy, over these pairs.
        macs_kendall_tau: The control: τ-b between MACs and stand-alone accuracy, over the same pairs.
        advantage: The first minus the second, with an interval of its own, since both vary together.
    """

    pairs: int
    kendall_tau: Interval
    macs_kendall_tau: Interval
    advantage: Interval

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            "pairs": self.pairs,
            "kendall_tau": self.kendall_tau.to_dict(),
            "macs_kendall_tau": self.macs_kendall_tau.to_dict(),
            "advantage": self.advantage.to_dict(),
        }


def ranking(rows: Sequence[Compared], *, resamples: int, seed: int, band: float | None = None) -> Ranking:
    """The ranking of pairs of networks, with bootstrap intervals over the networks.

    Args:
        rows: The networks.
        resamples: Number of bootstrap resamples, the same for all three figures.
        seed: Determines the resamples.
        band: Counts only pairs whose MACs lie within ± this share of one number; ``None`` counts all.
    """
    macs = np.array([row.macs for row in rows], np.float64)
    limit = math.inf if band is None else math.log((1 + band) / (1 - band))
    counted = np.abs(np.subtract.outer(np.log(macs), np.log(macs))) <= limit
    np.fill_diagonal(counted, False)
    alone = _signs([row.alone for row in rows])
    weights = _resampled(len(rows), resamples=resamples, seed=seed)
    supernet = _tau(_signs([row.inherited for row in rows]), alone, counted, weights)
    control = _tau(_signs(macs), alone, counted, weights)
    return Ranking(
        pairs=int(counted.sum()) // 2,
        kendall_tau=_interval(supernet),
        macs_kendall_tau=_interval(control),
        advantage=_interval(supernet - control),
    )


def taus(
    scores: Mapping[str, ArrayLike], alone: ArrayLike, *, resamples: int, seed: int, minus: tuple[str, str]
) -> dict[str, Interval]:
    """Kendall's τ-b of several scores with one ranking, with bootstrap intervals over the networks.

    Args:
        scores: Scores of the networks, each (N,), by name.
        alone: Their accuracies when trained alone, (N,).
        resamples: Number of bootstrap resamples, the same for all scores.
        seed: Determines the resamples.
        minus: Two names; ``advantage`` is τ of the first minus that of the second.

    Returns:
        The intervals by name, and ``advantage``.
    """
    truth = _signs(alone)
    counted = ~np.eye(len(truth), dtype=bool)
    weights = _resampled(len(truth), resamples=resamples, seed=seed)
    found = {name: _tau(_signs(score), truth, counted, weights) for name, score in scores.items()}
    first, second = minus
    return {
        **{name: _interval(values) for name, values in found.items()},
        "advantage": _interval(found[first] - found[second]),
    }


def _resampled(networks: int, *, resamples: int, seed: int) -> FloatArray:
    """How often each network is in the sample and in each bootstrap resample, (1 + resamples, networks)."""
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(networks, np.full(networks, 1 / networks), size=resamples)
    return np.vstack([np.ones(networks), draws])


def _signs(values: ArrayLike) -> FloatArray:
    """The order of each pair, (N, N): 1, 0 or -1."""
    return np.sign(np.subtract.outer(values, values))


def _tau(
    first: FloatArray, second: FloatArray, counted: NDArray[np.bool_], weights: FloatArray
) -> FloatArray:
    """τ-b (R,) over the counted pairs, of R samples in which network n occurs ``weights[r, n]`` times."""
    first, second = first * counted, second * counted

    def total(pairs: FloatArray) -> FloatArray:
        return np.asarray(np.einsum("rn,nm,rm->r", weights, pairs, weights, optimize=True))

    with np.errstate(invalid="ignore", divide="ignore"):
        return total(first * second) / np.sqrt(total(np.abs(first)) * total(np.abs(second)))


def _interval(values: FloatArray) -> Interval:
    """The first value, with the 95 % range of the others; undefined ones are ignored."""
    others = values[1:][~np.isnan(values[1:])]
    low, high = np.quantile(others, (0.025, 0.975)).tolist() if len(others) else [math.nan, math.nan]
    return Interval(value=float(values[0]), low=low, high=high)
