"""Rough latencies of any network, at no cost: for the choice of what to measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nas.blocks import BlockSpec
from nas.latency.estimate.interpolation import LEAST, fit_blocks, measured_blocks
from nas.latency.models.blocks import BlockCost
from nas.latency.models.features import network_features
from nas.latency.table import LatencyTable
from nas.network import NetworkSpec


def rough_predictor(table: LatencyTable) -> Callable[[Sequence[NetworkSpec]], list[float]]:
    """Makes a function that predicts networks in ms, whatever blocks the table lacks.

    Missing blocks are estimated from measured ones of their kind, or from those of all kinds if there are
    fewer than ``LEAST``. Unlike ``with_scaled_estimates`` it needs no peaks of the device, and fits each
    kind once. Its estimates are for ranking networks before a measurement, never for a table that is saved.
    """
    rough = _Rough(table)
    return rough.predict


class _Rough:
    """A table that grows by estimates, and the estimate of each kind."""

    def __init__(self, table: LatencyTable) -> None:
        self._table = table
        self._pooled = measured_blocks(table)
        self._estimates: dict[str, Callable[[Sequence[BlockSpec]], Sequence[float]]] = {}

    def predict(self, networks: Sequence[NetworkSpec]) -> list[float]:
        missing = self._table.model.missing(block for network in networks for block in network.blocks)
        by_kind: dict[str, list[BlockSpec]] = {}
        for block in missing:
            by_kind.setdefault(block.KIND, []).append(block)
        for kind, blocks in by_kind.items():
            if kind not in self._estimates:
                self._estimates[kind] = self._estimate(kind)
            latencies_ms = self._estimates[kind](blocks)
            pairs = zip(blocks, latencies_ms, strict=True)
            costs = {block.key: BlockCost(ms, estimated=True) for block, ms in pairs}
            self._table = self._table.with_blocks(costs)
        return [self._table.predict(network) for network in networks]

    def _estimate(self, kind: str) -> Callable[[Sequence[BlockSpec]], Sequence[float]]:
        of_kind = [(block, ms) for block, ms in self._pooled if kind == block.KIND]
        measured = of_kind if len(of_kind) >= LEAST else self._pooled
        if len(measured) < LEAST:
            macs = sum(block.macs for block, _ in measured)
            rate = sum(ms for _, ms in measured) / macs if macs else 0.0
            return lambda blocks: [rate * block.macs for block in blocks]
        model = fit_blocks(measured)

        def predict(blocks: Sequence[BlockSpec]) -> list[float]:
            features = np.array([network_features([block]) for block in blocks])
            return [float(ms) for ms in model.predict_features(features, np.zeros(0))]

        return predict
