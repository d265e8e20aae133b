"""Estimates for blocks that were not measured, from those of their kind that were."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nas.blocks import BlockSpec, parse_key
from nas.latency.models.blocks import BlockCost
from nas.latency.models.features import network_features
from nas.latency.models.networks import NetworkModel, Scaling, fit_network_model
from nas.latency.table import LatencyTable

LEAST, MOST = 8, 200
"""Measured blocks of a kind that an estimate needs, and that it uses at most."""


def with_interpolated_estimates(table: LatencyTable, blocks: Iterable[BlockSpec]) -> LatencyTable:
    """The table with estimates, marked as such, for those of ``blocks`` that it lacks and knows the kind of.

    A block is taken for a network of its own, and its cost predicted from its physical features by a Gaussian
    process on the measured blocks of the same kind. The estimate's error is the process's deviation. Blocks
    of a kind with fewer than ``LEAST`` measured blocks stay missing.
    """
    by_kind: dict[str, list[BlockSpec]] = {}
    for block in table.model.missing(blocks):
        by_kind.setdefault(block.KIND, []).append(block)
    added: dict[str, BlockCost] = {}
    for kind, missing in by_kind.items():
        measured = _measured(table, kind)
        if len(measured) >= LEAST:
            added |= _estimates(_fit(measured), missing)
    return table.with_blocks(added) if added else table


def _measured(table: LatencyTable, kind: str) -> list[tuple[BlockSpec, float]]:
    known = [(parse_key(key), cost) for key, cost in table.costs.items() if key.startswith(f"{kind}(")]
    return [(block, cost.ms) for block, cost in known if not cost.estimated and cost.ms > 0]


def _fit(measured: Sequence[tuple[BlockSpec, float]]) -> NetworkModel:
    features = np.array([network_features([block]) for block, _ in measured])
    chosen = np.random.default_rng(0).permutation(len(measured))[:MOST]
    cost_ms = np.array([ms for _, ms in measured])
    return fit_network_model(features[chosen], cost_ms[chosen], scaling=Scaling.of(features))


def _estimates(model: NetworkModel, missing: Iterable[BlockSpec]) -> dict[str, BlockCost]:
    found = {}
    for block in missing:
        ms = model.predict([block])
        found[block.key] = BlockCost(ms, ms * model.deviation([block]), estimated=True)
    return found
