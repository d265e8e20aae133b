"""Scaling of a network's depth, width and resolution (Tan and Le 2019, "EfficientNet", section 3.3).

``scale`` and ``compound_scale`` multiply; ``fit_to_latency`` walks along φ to a latency budget;
``fill_latency`` looks for the depth of each stage, the width and the resolution that use such a budget
best; ``growth_grid`` lists the α, β and γ among which EfficientNet's own procedure chooses.
"""

from nas.scaling.candidates import Candidate, Filling, fallbacks, fill_latency, latency_front, used_share
from nas.scaling.capacity import Balance, equivalent_phi
from nas.scaling.compound import LARGEST_PHI, Scaled, decisive, fit_to_latency, near_latency, scalings
from nas.scaling.grid import growth_grid
from nas.scaling.multipliers import ALPHA, BETA, GAMMA, ROUNDINGS, compound_scale, scale, with_depths

__all__ = [
    "ALPHA",
    "BETA",
    "GAMMA",
    "LARGEST_PHI",
    "ROUNDINGS",
    "Balance",
    "Candidate",
    "Filling",
    "Scaled",
    "compound_scale",
    "decisive",
    "equivalent_phi",
    "fallbacks",
    "fill_latency",
    "fit_to_latency",
    "growth_grid",
    "latency_front",
    "near_latency",
    "scale",
    "scalings",
    "used_share",
    "with_depths",
]
