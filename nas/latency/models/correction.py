"""The fitted correction from summed block costs to whole networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.arrays import FloatArray
from nas.blocks import BlockSpec
from nas.errors import UserError
from nas.gaussian import Hyper, Prior, fit_process
from nas.latency.models.features import COLUMN, KINDS, ROOFLINE, block_features

_COUNTED = tuple(name for name in (*ROOFLINE, *KINDS) if name != "networks")
FEATURES = ("cost", *_COUNTED)
"""What a block contributes to its network's latency, each with a coefficient: its own cost; and, where it
fares otherwise in a network than in a probe, something for each operation, for arithmetic, for traffic, and
for weights, which a short probe finds in the cache but a network does not."""

_PLAIN = {"cost": 1.0}
_LOOSE = {"cost": 1.0, **dict.fromkeys(ROOFLINE, 0.5)}
_CONSTANT_LOOSE, _KINDS_LOOSE = 0.5, 0.15
"""How much coefficients may deviate, relative to each other; each is taken as a share of the latency."""

_PRIOR = Prior(Hyper(0.05, 0.01, 1.0, 0.01), Hyper(1.0, 0.5, 0.3, 0.7))
_LEAST = 3


@dataclass(frozen=True)
class Correction:
    """Latency = constant + Σ over blocks of Σ over features of coefficient · feature.

    Attributes:
        constant_ms: What every network costs once.
        coefficients: By the names of ``FEATURES``; ms for each unit of the feature.
        networks: How many whole networks it was fitted on; 0 means that it is only assumed.
        noise: By what share those networks deviate from it, as a standard deviation.
    """

    constant_ms: float = 0.0
    coefficients: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(_PLAIN))
    networks: int = 0
    noise: float | None = None

    def block_ms(self, block: BlockSpec, cost_ms: float) -> float:
        """The contribution of a block with this cost to its network."""
        found = _features(block, cost_ms)
        return sum(value * found[name] for name, value in self.coefficients.items())

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "coefficients": dict(self.coefficients)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Correction:
        if unknown := set(value["coefficients"]) - set(FEATURES):
            raise UserError(
                f"the table's correction uses {sorted(unknown)}, which this version does not know"
            )
        return cls(**value)


def fit_correction(
    networks: Sequence[Sequence[BlockSpec]],
    measured_ms: FloatArray,
    *,
    cost_ms: Mapping[str, float],
    constant_ms: float = 0.0,
) -> Correction:
    """Fits the correction on whole networks.

    Bayesian linear regression of the relative error. The plain sum of costs is the prior's mean, its strength
    maximises the marginal likelihood, the noise is Student's t (``nas.gaussian``). Stable from
    a handful of networks on; with fewer than three, the plain sum is kept.

    Args:
        networks: The blocks of each network.
        measured_ms: Latency of each network, (N,).
        cost_ms: Block costs by key.
        constant_ms: What every network is assumed to cost once.
    """
    if len(networks) < _LEAST:
        return Correction(constant_ms=constant_ms)
    sums = np.array([_sums(blocks, cost_ms) for blocks in networks])
    plain_ms = constant_ms + sums[:, FEATURES.index("cost")]
    terms = np.column_stack([np.ones(len(networks)), sums]) / plain_ms[:, None]
    size = np.maximum(terms.mean(axis=0), 1e-12)
    loose = np.array([_CONSTANT_LOOSE, *(_LOOSE.get(name, _KINDS_LOOSE) for name in FEATURES)])
    process = fit_process(
        terms / size * loose, np.zeros((len(networks), 0)), measured_ms / plain_ms - 1, prior=_PRIOR
    )
    constant_change, *changes = (process.coefficients * loose / size).tolist()
    coefficients = {
        name: _PLAIN.get(name, 0.0) * (1 + process.mean) + change
        for name, change in zip(FEATURES, changes, strict=True)
    }
    constant = constant_ms * (1 + process.mean) + constant_change
    return Correction(constant, coefficients, len(networks), process.hyper.noise)


def _features(block: BlockSpec, cost_ms: float) -> dict[str, float]:
    counted = block_features(block, image=block.in_height)
    return {"cost": cost_ms, **{name: float(counted[COLUMN[name]]) for name in _COUNTED}}


def _sums(blocks: Sequence[BlockSpec], cost_ms: Mapping[str, float]) -> list[float]:
    found = [_features(block, cost_ms[block.key]) for block in blocks]
    return [sum(features[name] for features in found) for name in FEATURES]
