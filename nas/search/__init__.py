"""Search: objectives, samplers, the study, Pareto fronts and winners."""

from __future__ import annotations

from nas.search.goals.goals import Goals
from nas.search.goals.objectives import (
    LatencyPredictor,
    Objective,
    accuracy,
    latency,
    macs,
    memory,
    params,
    size,
)
from nas.search.goals.pareto import front, hypervolume, hypervolume_curve
from nas.search.goals.problem import Candidate, Networks, Problem
from nas.search.results.results import SearchResult, Winner, read_winner
from nas.search.run import Progress, search, work
from nas.search.samplers import Sampler, make_sampler, sampler_names
from nas.search.study import Study
from nas.search.trials.evaluation import Evaluation, Outcome, State
from nas.search.trials.shared_ledger import Shared
from nas.statistics import Count, wilson

__all__ = [
    "Candidate",
    "Count",
    "Evaluation",
    "Goals",
    "LatencyPredictor",
    "Networks",
    "Objective",
    "Outcome",
    "Problem",
    "Progress",
    "Sampler",
    "SearchResult",
    "Shared",
    "State",
    "Study",
    "Winner",
    "accuracy",
    "front",
    "hypervolume",
    "hypervolume_curve",
    "latency",
    "macs",
    "make_sampler",
    "memory",
    "params",
    "read_winner",
    "sampler_names",
    "search",
    "size",
    "wilson",
    "work",
]
