"""The error of a table on whole networks that its correction has not seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nas.arrays import FloatArray
from nas.blocks import BlockSpec
from nas.latency.costs.windows import Latency
from nas.latency.models.accuracy import Accuracy, Figures, compare, fit_line
from nas.latency.models.blocks import BlockModel
from nas.latency.models.correction import Correction
from nas.latency.plan.entries import KitNetwork
from nas.latency.table import LatencyTable
from nas.network import NetworkSpec


def networks_of(
    networks: Iterable[KitNetwork], role: str, measured: Mapping[str, Latency]
) -> tuple[list[Sequence[BlockSpec]], FloatArray]:
    """The blocks and latencies of the networks of one role."""
    entries = [entry for entry in networks if entry.role == role]
    blocks = [entry.network.blocks for entry in entries if isinstance(entry.network, NetworkSpec)]
    return list(blocks), np.array([measured[entry.id].value_ms for entry in entries])


def validate_table(
    table: LatencyTable,
    networks: Sequence[KitNetwork],
    measured: Mapping[str, Latency],
    *,
    plain_constant_ms: float,
) -> Accuracy | None:
    """The error of a table on the validation networks, with baselines.

    Args:
        table: The corrected table.
        networks: The kit's whole networks, of all roles.
        measured: Their latencies.
        plain_constant_ms: The constant term of the plain sum of costs.
    """
    chains, truth = networks_of(networks, "validation", measured)
    fitted_on, fitted_truth = networks_of(networks, "correction", measured)
    if len(chains) < 2 or len(fitted_on) < 2:
        return None
    plain = dataclasses.replace(
        table, model=BlockModel(table.costs, Correction(constant_ms=plain_constant_ms))
    )
    line = fit_line(_macs(fitted_on), fitted_truth)
    return Accuracy(
        networks=len(chains),
        table=compare(_sums(table, chains), truth),
        uncorrected=compare(_sums(plain, chains), truth),
        noise_floor=noise_floor(measured[entry.id] for entry in networks if entry.role == "validation"),
        macs=compare(line(_macs(chains)), truth),
    )


def noise_floor(measured: Iterable[Latency]) -> Figures:
    """The figures of the first half of the time against the second: no prediction can be better."""
    first, second = np.array([latency.halves_ms for latency in measured]).T
    return compare(first, second)


def _macs(chains: Sequence[Sequence[BlockSpec]]) -> FloatArray:
    return np.array([float(sum(block.macs for block in blocks)) for blocks in chains])


def _sums(table: LatencyTable, chains: Sequence[Sequence[BlockSpec]]) -> FloatArray:
    return np.array([table.predict_blocks(blocks) for blocks in chains])
