"""The latency of a network as the corrected sum of its blocks' costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from nas.arrays import FloatArray
from nas.blocks import BlockSpec, parse_key
from nas.latency.models.base import LatencyModel, register
from nas.latency.models.correction import Correction, fit_correction

if TYPE_CHECKING:
    from nas.space.lowering import Lowered


@dataclass(frozen=True)
class BlockCost:
    """The cost of one block inside a network, before the correction.

    Attributes:
        ms: Milliseconds for one batch.
        error_ms: The standard error of ``ms``; ``None`` if unknown.
        estimated: Whether it is an estimate instead of a measurement.
    """

    ms: float
    error_ms: float | None = None
    estimated: bool = False


@final
@register
@dataclass(frozen=True)
class BlockModel(LatencyModel):
    """The sum of block costs, corrected.

    Attributes:
        costs: Cost of each block, by key.
        correction: From costs to a network's latency.
    """

    KIND: ClassVar[str] = "blocks"

    costs: Mapping[str, BlockCost]
    correction: Correction = field(default_factory=Correction)

    def about(self) -> str:
        estimates = sum(cost.estimated for cost in self.costs.values())
        return f"{len(self.costs)} blocks" + (f", {estimates} of them estimated," if estimates else "")

    def missing(self, blocks: Iterable[BlockSpec]) -> tuple[BlockSpec, ...]:
        return tuple(dict.fromkeys(block for block in blocks if block.key not in self.costs))

    def is_estimate(self, blocks: Sequence[BlockSpec]) -> bool:
        return any(self.costs[block.key].estimated for block in blocks if block.key in self.costs)

    def predict(self, blocks: Sequence[BlockSpec]) -> float:
        return self.correction.constant_ms + sum(self.parts(blocks))

    def predict_many(self, lowered: Lowered) -> FloatArray:
        values = np.zeros(len(lowered.blocks))
        used = lowered.used()
        values[used] = self.parts([lowered.blocks[number] for number in used])
        total: FloatArray = self.correction.constant_ms + lowered.total(values).astype(np.float64)
        return total

    def parts(self, blocks: Sequence[BlockSpec]) -> tuple[float, ...]:
        return tuple(self._block_ms(block) for block in blocks)

    def with_costs(self, costs: Mapping[str, BlockCost]) -> BlockModel:
        """A model with ``costs`` added. Existing ones are replaced."""
        return dataclasses.replace(self, costs={**self.costs, **costs})

    def scaled(self, factor: float) -> BlockModel:
        costs = {
            key: dataclasses.replace(
                cost, ms=cost.ms * factor, error_ms=None if cost.error_ms is None else cost.error_ms * factor
            )
            for key, cost in self.costs.items()
        }
        return BlockModel(costs, self.correction.scaled(factor))

    def refitted(self, networks: Sequence[Sequence[BlockSpec]], measured_ms: FloatArray) -> BlockModel:
        """Scales all latencies by one factor, then fits a correction of the scaled costs."""
        scaled = LatencyModel.refitted(self, networks, measured_ms)
        assert isinstance(scaled, BlockModel)
        cost_ms = {key: cost.ms for key, cost in scaled.costs.items()}
        constant_ms = scaled.correction.constant_ms
        fitted = fit_correction(networks, measured_ms, cost_ms=cost_ms, constant_ms=constant_ms)
        return BlockModel(scaled.costs, fitted)

    def without_correction(self) -> BlockModel:
        """The same predictions as a plain sum: each cost is what its block adds to a network."""
        costs = {
            key: dataclasses.replace(cost, ms=self._block_ms(parse_key(key)))
            for key, cost in self.costs.items()
        }
        return BlockModel(costs, Correction(constant_ms=self.correction.constant_ms))

    def keys(self) -> tuple[str, ...]:
        return tuple(self.costs)

    def to_dict(self, number: Mapping[str, int]) -> dict[str, Any]:
        costs = [[number[key], cost.ms, cost.error_ms, cost.estimated] for key, cost in self.costs.items()]
        return {"correction": self.correction.to_dict(), "costs": costs}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], keys: Sequence[str]) -> BlockModel:
        costs = {keys[number]: BlockCost(*rest) for number, *rest in value["costs"]}
        return cls(costs, Correction.from_dict(value["correction"]))

    @cached_property
    def _corrected(self) -> dict[BlockSpec, float]:
        return {}

    def _block_ms(self, block: BlockSpec) -> float:
        if block not in self._corrected:
            self._corrected[block] = self.correction.block_ms(block, self.costs[block.key].ms)
        return self._corrected[block]
