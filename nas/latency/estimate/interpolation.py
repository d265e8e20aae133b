"""Estimates for unmeasured blocks from measured ones of their kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nas.blocks import BlockSpec, parse_key
from nas.latency.models.blocks import BlockCost
from nas.latency.models.features import network_features
from nas.latency.models.networks import NetworkModel, Scaling, fit_network_model
from nas.latency.table import LatencyTable

LEAST, MOST = 8, 200
"""The smallest and the largest number of measured blocks of a kind in an estimate."""


def with_interpolated_estimates(table: LatencyTable, blocks: Iterable[BlockSpec]) -> LatencyTable:
    """The table with estimates, marked as such, for missing ``blocks`` of measured kinds.

    A block is treated as a network, and a Gaussian process on the measured blocks of its kind predicts its
    cost from its physical features. The estimate's error is the process's standard deviation. Blocks of a
    kind with fewer than ``LEAST`` measured blocks stay missing.
    """
    by_kind: dict[str, list[BlockSpec]] = {}
    for block in table.model.missing(blocks):
        by_kind.setdefault(block.KIND, []).append(block)
    added: dict[str, BlockCost] = {}
    for kind, missing in by_kind.items():
        measured = measured_blocks(table, kind)
        if len(measured) >= LEAST:
            added |= _estimates(fit_blocks(measured), missing)
    return table.with_blocks(added) if added else table


def measured_blocks(table: LatencyTable, kind: str | None = None) -> list[tuple[BlockSpec, float]]:
    """The measured blocks of a kind, or of all kinds, with their costs in ms."""
    start = "" if kind is None else f"{kind}("
    costs = [(parse_key(key), cost) for key, cost in table.costs.items() if key.startswith(start)]
    return [(block, cost.ms) for block, cost in costs if not cost.estimated and cost.ms > 0]


def fit_blocks(measured: Sequence[tuple[BlockSpec, float]]) -> NetworkModel:
    """Fits a model that treats each block as a network, on at most ``MOST`` blocks."""
    features = np.array([network_features([block]) for block, _ in measured])
    sample = np.random.default_rng(0).permutation(len(measured))[:MOST]
    cost_ms = np.array([ms for _, ms in measured])
    return fit_network_model(features[sample], cost_ms[sample], scaling=Scaling.of(features))


def _estimates(model: NetworkModel, missing: Iterable[BlockSpec]) -> dict[str, BlockCost]:
    estimates = {}
    for block in missing:
        ms = model.predict([block])
        estimates[block.key] = BlockCost(ms, ms * model.deviation([block]), estimated=True)
    return estimates
