"""The fitted correction from summed block costs to the latency of a network."""

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
from nas.latency.models.features import COLUMN, KINDS, ROOFLINE, TOKENS, block_features

_COUNTED = tuple(name for name in (*ROOFLINE, *KINDS, *TOKENS) if name != "networks")
FEATURES = ("cost", *_COUNTED)
"""The contributions of a block to its network's latency, each with a coefficient: its own cost, and, since a
block behaves differently in a network than in a probe, terms for operations, arithmetic, traffic and weights.
A short probe finds its weights in the cache, a network does not."""

_PLAIN = {"cost": 1.0}
_LOOSE = {"cost": 1.0, **dict.fromkeys(ROOFLINE, 0.5)}
_CONSTANT_LOOSE, _KINDS_LOOSE = 0.5, 0.15
"""How much coefficients may deviate, relative to each other, as shares of the latency."""

_PRIOR = Prior(Hyper(0.05, 0.01, 1.0, 0.01), Hyper(1.0, 0.5, 0.3, 0.7))
_LEAST = 3


@dataclass(frozen=True)
class Correction:
    """Latency = constant + Σ over blocks of Σ over features of coefficient · feature.

    Attributes:
        constant_ms: The constant cost of every network.
        coefficients: ms per unit of each feature, by the names of ``FEATURES``.
        networks: Number of whole networks in the fit; 0 means that it is only assumed.
        noise: Relative standard deviation of those networks from it.
    """

    constant_ms: float = 0.0
    coefficients: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(_PLAIN))
    networks: int = 0
    noise: float | None = None

    def block_ms(self, block: BlockSpec, cost_ms: float) -> float:
        """The contribution of a block with this cost to its network."""
        features = _features(block, cost_ms)
        return sum(value * features[name] for name, value in self.coefficients.items())

    def scaled(self, factor: float) -> Correction:
        """The correction where costs, and all else, take ``factor`` times as long."""
        coefficients = {
            name: value if name == "cost" else value * factor for name, value in self.coefficients.items()
        }
        return dataclasses.replace(self, constant_ms=self.constant_ms * factor, coefficients=coefficients)

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

    Bayesian linear regression of the relative error. The prior's mean is the plain sum of costs, its strength
    maximises the marginal likelihood, and the noise is Student's t (``nas.gaussian``). The fit is stable even
    with few networks; with fewer than three, it is the plain sum.

    Args:
        networks: The blocks of each network.
        measured_ms: Latency of each network, (N,).
        cost_ms: Block costs by key.
        constant_ms: The assumed constant cost of every network.
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
    rows = [_features(block, cost_ms[block.key]) for block in blocks]
    return [sum(features[name] for features in rows) for name in FEATURES]
