"""The methods of ``nas scale``: how the scaled network is chosen, and what it is chosen by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.cli.steps.final.scale_scores import scores
from nas.cli.steps.table import missing
from nas.latency import LatencyTable
from nas.latency.estimate.rough import rough_predictor
from nas.network import NetworkSpec
from nas.scaling import (
    Balance,
    Candidate,
    compound_scale,
    decisive,
    fallbacks,
    fill_latency,
    fit_to_latency,
    growth_grid,
    near_latency,
    scalings,
)

MEASURE_S = 20.0
"""Seconds of one measurement of missing blocks."""


@dataclass
class Predictor:
    """The predictions of a table that grows by the blocks that they need.

    Attributes:
        context: The run.
        table: The table, with all blocks so far.
        folder: Folder for what is measured.
    """

    context: Context
    table: LatencyTable
    folder: Path
    _rounds: count[int] = field(default_factory=count)

    def __call__(self, networks: Sequence[NetworkSpec]) -> list[float]:
        """Returns latencies in ms; missing blocks are measured or estimated first."""
        blocks = [block for each in networks for block in each.blocks]
        if self.table.model.missing(blocks):
            number = next(self._rounds)
            self.table = missing.completed(
                self.context,
                self.table,
                blocks,
                input_channels=networks[0].input_channels,
                folder=self.folder / f"wider-{number}" if number else self.folder,
                budget_s=MEASURE_S,
            )
        return [self.table.predict(each) for each in networks]

    @property
    def costs_nothing(self) -> bool:
        """Whether no block has to be measured."""
        return missing.costs_nothing(self.context, self.table)


@dataclass(frozen=True)
class Selection:
    """The chosen network, and what it was chosen from.

    Attributes:
        best: The scaled network.
        fallbacks: Faster networks, in the order in which they replace it.
        tried: The networks to show, by rising φ.
        growth: The growth of depth, width and resolution per step of φ.
        scores: What was scored and its accuracy, if anything was; best first in ``best``'s sense.
    """

    best: Candidate
    fallbacks: tuple[Candidate, ...] = ()
    tried: tuple[Candidate, ...] = ()
    growth: Mapping[str, float] = field(default_factory=dict)
    scores: tuple[tuple[str, float], ...] = ()


Method = Callable[[Context, NetworkSpec, Predictor, float], Selection]


def by_latency(context: Context, network: NetworkSpec, predict: Predictor, budget_ms: float) -> Selection:
    """Chooses depths, width and resolution that use the budget best."""
    config = context.config.scale
    estimate = None if predict.costs_nothing else rough_predictor(predict.table)
    growth = _growth(context)
    filling = fill_latency(
        network,
        latency_ms=budget_ms,
        predict=predict,
        estimate=estimate,
        balance=Balance(**growth),
        lowest=config.min_phi,
        highest=config.max_phi,
    )
    best = filling.candidates[0]
    scored: tuple[tuple[str, float], ...] = ()
    if config.score_epochs:
        some = filling.candidates[: config.scored]
        accuracies = scores(context, [each.network for each in some])
        best = some[accuracies.index(max(accuracies))]
        scored = tuple((f"φ = {each.phi:.3f}", value) for each, value in zip(some, accuracies, strict=True))
    tried = {id(each): each for each in (*filling.front, *filling.candidates[: config.scored])}
    return Selection(
        best=best,
        fallbacks=fallbacks(best, filling.front, count=config.fallbacks),
        tried=tuple(sorted(tried.values(), key=lambda each: each.phi)),
        growth=growth,
        scores=scored,
    )


def by_phi(context: Context, network: NetworkSpec, predict: Predictor, budget_ms: float) -> Selection:
    """Chooses the largest φ within the budget, with the configured growth."""
    return _walk(context, network, predict, budget_ms, _growth(context))


def by_grid(context: Context, network: NetworkSpec, predict: Predictor, budget_ms: float) -> Selection:
    """Chooses α, β and γ by the accuracies of the networks at φ = 1, then the largest φ within the budget."""
    growth, scored = best_growth(context, network)
    walked = _walk(context, network, predict, budget_ms, growth)
    return Selection(walked.best, walked.fallbacks, walked.tried, growth, scored)


METHODS: Mapping[str, Method] = {"latency": by_latency, "compound": by_phi, "grid": by_grid}


def best_growth(
    context: Context, network: NetworkSpec
) -> tuple[Mapping[str, float], tuple[tuple[str, float], ...]]:
    """Scores the growths of a grid at φ = 1, and returns the best one and all scores."""
    pairs = growth_grid(network, depth_rounding=context.config.scale.depth_rounding)
    accuracies = scores(context, [scaled for _, scaled in pairs])
    names = [f"α {each.alpha:g}, β {each.beta:g}, γ {each.gamma:.3f}" for each, _ in pairs]
    best = pairs[accuracies.index(max(accuracies))][0]
    say(f"scale: {len(pairs)} growths scored; best: {names[accuracies.index(max(accuracies))]}")
    growth = {"alpha": best.alpha, "beta": best.beta, "gamma": best.gamma}
    return growth, tuple(zip(names, accuracies, strict=True))


def family(
    context: Context,
    network: NetworkSpec,
    predict: Predictor,
    *,
    growth: Mapping[str, float],
    winner_ms: float,
) -> tuple[Candidate, ...]:
    """Makes the members φ = 0, 1, … ``scale.family``.

    With ``scale.method=latency``, the member φ has at most 2^φ times the winner's latency; else it is the
    compound scaling by φ. The winner itself is the member 0.
    """
    config = context.config.scale
    members = [Candidate(network, 0.0, winner_ms)]
    for phi in range(1, 1 + (config.family or 0)):
        if config.method == "latency":
            members.append(by_latency(context, network, predict, winner_ms * 2**phi).best)
            continue
        scaled = compound_scale(network, phi=phi, depth_rounding=config.depth_rounding, **growth)
        members.append(Candidate(scaled, float(phi), predict([scaled])[0]))
    return tuple(members)


def _growth(context: Context) -> Mapping[str, float]:
    config = context.config.scale
    return {"alpha": config.alpha, "beta": config.beta, "gamma": config.gamma}


def _walk(
    context: Context,
    network: NetworkSpec,
    predict: Predictor,
    budget_ms: float,
    growth: Mapping[str, float],
) -> Selection:
    """Measures missing blocks of the scalings near the budget, then selects the largest within it."""
    config = context.config.scale
    rounding = config.depth_rounding
    candidates = near = scalings(
        network, lowest=config.min_phi, highest=config.max_phi, depth_rounding=rounding, **growth
    )
    if not predict.costs_nothing:
        near = near_latency(network, candidates, latency_ms=budget_ms, now_ms=predict.table.predict(network))
    bracket = decisive(candidates, near, latency_ms=budget_ms, predict=predict)
    scaled = fit_to_latency(
        network,
        latency_ms=budget_ms,
        predict=predict.table.predict,
        lowest=bracket[0][0],
        highest=bracket[-1][0],
        depth_rounding=rounding,
        **growth,
    )
    best = Candidate(scaled.network, scaled.phi, scaled.predicted_ms)
    latencies = dict(scaled.tried)
    tried = tuple(Candidate(each, phi, latencies[phi]) for phi, each in bracket)
    smaller = [each for each in tried if each.phi < best.phi]
    return Selection(best, fallbacks(best, smaller, count=config.fallbacks), tried, growth)
