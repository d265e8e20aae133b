"""The fitted correction from summed block costs to whole networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.blocks import BlockSpec
from nas.errors import UserError
from nas.latency.probes import FloatArray

FEATURES: dict[str, Callable[[BlockSpec, float], float]] = {
    "cost": lambda block, cost_ms: cost_ms,
    "blocks": lambda block, cost_ms: 1.0,
    "weights_mb": lambda block, cost_ms: 4e-6 * sum(op.weight_elements for op in block.ops),
}
"""What a block contributes to its network's latency, each with a coefficient: its own cost, something for
being a block at all, and for bringing weights that a short probe finds in the cache but a network does
not."""

_PRIOR = {"cost": 1.0, "blocks": 0.0, "weights_mb": 0.0}
_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


@dataclass(frozen=True)
class Correction:
    """Latency = constant + Σ over blocks of Σ over features of coefficient · feature.

    Attributes:
        constant_ms: What every network costs once.
        coefficients: By the names of ``FEATURES``; ms for each unit of the feature.
        networks: How many whole networks it was fitted on; 0 means that it is only assumed.
        ridge: The strength with which coefficients are held to "plain sum", chosen by leaving one out.
    """

    constant_ms: float = 0.0
    coefficients: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(_PRIOR))
    networks: int = 0
    ridge: float | None = None

    def block_ms(self, block: BlockSpec, cost_ms: float) -> float:
        """What a block with this cost adds to its network."""
        return sum(value * FEATURES[name](block, cost_ms) for name, value in self.coefficients.items())

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

    Ridge regression of the relative error towards the plain sum of costs; the strength is chosen by leaving
    one network out. Stable from a handful of networks on; with fewer than three, the plain sum is kept.

    Args:
        networks: The blocks of each network.
        measured_ms: Latency of each network, (N,).
        cost_ms: Block costs by key.
        constant_ms: What every network is assumed to cost once.
    """
    if len(networks) < 3:
        return Correction(constant_ms=constant_ms)
    names = list(FEATURES)
    sums = [[sum(FEATURES[n](b, cost_ms[b.key]) for b in blocks) for n in names] for blocks in networks]
    design = np.column_stack([np.ones(len(networks)), np.array(sums)]) / measured_ms[:, None]
    prior = np.array([constant_ms, *(_PRIOR[name] for name in names)])
    ridge = min(_RIDGES, key=lambda strength: _left_out_error(design, prior, strength))
    solution = _ridge(design, prior, ridge)
    coefficients = {name: float(value) for name, value in zip(names, solution[1:], strict=True)}
    return Correction(float(solution[0]), coefficients, len(networks), ridge)


def _ridge(design: FloatArray, prior: FloatArray, strength: float) -> FloatArray:
    """Coefficients that bring ``design @ x`` near 1 and stay near ``prior``, each on its own scale."""
    scale = np.maximum(np.abs(design).mean(axis=0), 1e-12)
    scaled = design / scale
    gap = 1 - design @ prior
    size = design.shape[1]
    change = np.linalg.solve(
        scaled.T @ scaled / len(design) + strength * 1e-2 * np.eye(size), scaled.T @ gap / len(design)
    )
    result: FloatArray = prior + change / scale
    return result


def _left_out_error(design: FloatArray, prior: FloatArray, strength: float) -> float:
    every = np.arange(len(design))
    errors = [design[i] @ _ridge(design[every != i], prior, strength) - 1 for i in every]
    return float(np.mean(np.square(errors)))
