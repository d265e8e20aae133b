"""Search guided by an accuracy predictor.

Train the predictor on the evaluated networks, search it with thousands of networks, evaluate the most
promising and the most uncertain ones, and repeat (LINAS in DyNAS-T, Cummings et al. 2022; selection by
hypervolume follows Bayesian optimisation, Emmerich et al. 2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.search.goals.goals import Goals
from nas.search.goals.improvement import most_improving
from nas.search.goals.problem import Problem
from nas.search.samplers.planning.history import History
from nas.search.samplers.planning.pool import Pool
from nas.search.samplers.planning.sampler import Planner
from nas.search.samplers.planning.selection import survivors
from nas.search.samplers.planning.surrogate import Surrogate

_POPULATION = 200
_UNCERTAIN = 5
_GROWTH = 5


@final
@dataclass(frozen=True)
class Guided(Planner):
    """Each plan holds the networks that a newly fitted predictor recommends for evaluation.

    Attributes:
        problem: The space.
        goals: The goals of the search; the predictor serves those that must be evaluated.
        predictor: Name of the predictor.
        startup: Random networks before the first predictor is fitted.
        batch: Networks of the first plans; a plan is at least a fifth of the evaluations so far, which
            limits the time for planning.
        candidates: Networks scored for each plan.
    """

    problem: Problem
    goals: Goals
    predictor: str
    startup: int
    batch: int
    candidates: int

    def plan(self, history: History, rng: np.random.Generator) -> IntArray:
        pool = Pool(self.problem, self.goals)
        missing = self.startup - len(history.complete) - len(history.running)
        if missing > 0 or len(history.complete) < 2:
            return pool.random(max(1, missing), history, rng)
        seed = int(rng.integers(2**31))
        surrogate = Surrogate.fit(self.problem, self.goals, history, predictor=self.predictor, seed=seed)
        best = history.complete[
            survivors(history.losses[history.complete], history.violations[history.complete], _POPULATION)
        ]
        start = np.concatenate([history.rows[best], pool.random(_POPULATION, history, rng)])
        count = max(self.batch, len(history.complete) // _GROWTH)
        found = surrogate.evolve(start, population=_POPULATION + count, candidates=self.candidates, rng=rng)
        fresh = np.array([row not in history.seen for row in map(tuple, found.tolist())], bool)
        rows = _worthwhile(surrogate, found[fresh], history, count)
        return rows if len(rows) else pool.random(count, history, rng)


def _worthwhile(surrogate: Surrogate, rows: IntArray, history: History, count: int) -> IntArray:
    """The most promising of ``rows``; after every fourth one follows the most uncertain."""
    scores = surrogate.score(rows)
    allowed = np.flatnonzero(scores.violations <= 0)
    rows, losses = rows[allowed], scores.losses[allowed]
    if not len(rows):
        return rows
    uncertain = _total(surrogate.deviations(rows), losses)
    order = most_improving(losses, _known(surrogate, history), count)
    chosen: list[int] = []
    for position in [*order, *np.argsort(-uncertain, kind="stable").tolist()]:
        if len(chosen) % _UNCERTAIN == _UNCERTAIN - 1:
            uncertain[chosen] = -np.inf
            chosen.append(int(np.argmax(uncertain)))
        if position not in chosen:
            chosen.append(position)
    return rows[list(dict.fromkeys(chosen))[:count]]


def _total(deviations: FloatArray, losses: FloatArray) -> FloatArray:
    """The sum over objectives, each in units of its spread, (N,)."""
    spread = losses.std(axis=0)
    total: FloatArray = (deviations / np.where(spread > 0, spread, 1.0)).sum(axis=1)
    return total


def _known(surrogate: Surrogate, history: History) -> FloatArray:
    """Losses of the feasible networks, and expected losses of the running ones."""
    good = history.complete[history.violations[history.complete] <= 0]
    running = surrogate.score(history.running).losses if len(history.running) else history.losses[:0]
    return np.concatenate([history.losses[good], running])
