"""Checking a table with a few whole networks: how far off is it here, and do they correct it?

A table of another machine, even of the same processor, is usually off by a factor: clock rates, memory and
neighbours differ. A few whole networks show the factor, and fit a correction.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.arrays import FloatArray
from nas.blocks import parse_key
from nas.errors import UserError
from nas.hardware import Device
from nas.latency.costs.from_samples import (
    entry_latencies,
    measured_device,
    network_records,
    provenance,
    references,
)
from nas.latency.costs.validation import noise_floor
from nas.latency.costs.windows import Latency
from nas.latency.kit.kit import write_kit
from nas.latency.measure.usual_speed import compared
from nas.latency.models.accuracy import Accuracy, Figures, compare, fit_line
from nas.latency.models.blocks import BlockModel
from nas.latency.plan.entries import KitNetwork
from nas.latency.table import LatencyTable
from nas.latency.targets import Target
from nas.latency.targets.run_kit import SAMPLES, Report, run_kit, silent
from nas.network import NetworkSpec
from nas.runner.protocol import Protocol, student_t
from nas.space import SearchSpace
from nas.space.stratified import stratified

CHECKED = "checked"
"""The entry of a corrected table's provenance that names the table it was made from."""

LONGEST_S = 30.0
FEWEST = 2
"""Networks that show a factor and its spread."""

FITS, CORRECTABLE = 0.05, 0.10
"""The largest mean error of a table that is used as it is, and of one that is used after the correction."""

_SPREAD_S = 6.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """The result of a check.

    Attributes:
        table: The corrected table. Its accuracy is that of the check.
        ratio: Measured latency over predicted latency: the geometric mean over the networks.
        low: Lower end of the ratio's 95 % confidence interval.
        high: Its upper end.
    """

    table: LatencyTable
    ratio: float
    low: float
    high: float

    @property
    def before(self) -> Figures:
        """Figures of the table as it was."""
        assert self.table.accuracy is not None and self.table.accuracy.uncorrected is not None
        return self.table.accuracy.uncorrected

    @property
    def after(self) -> Figures:
        """Figures after the correction. Each network is predicted by a correction that the others gave."""
        assert self.table.accuracy is not None
        return self.table.accuracy.table

    @property
    def fits(self) -> bool:
        """Whether the table can be used as it was."""
        return self.before.mape <= FITS

    @property
    def is_correctable(self) -> bool:
        """Whether the corrected table can be used."""
        return self.after.mape <= CORRECTABLE

    def about(self) -> str:
        """Ratio and error in one line."""
        return (
            f"{len(self.table.probes)} whole networks take {self.ratio:.3f} of the predicted latency (95 %: "
            f"{self.low:.3f} to {self.high:.3f}); error {self.before.mape:.1%} as it is, "
            f"{self.after.mape:.1%} corrected; rank correlation {self.after.spearman:.2f}"
        )


def check_table(
    table: LatencyTable,
    space: SearchSpace,
    *,
    device: Device,
    folder: Path,
    classes: int | None = None,
    input_channels: int | None = None,
    networks: int = 16,
    budget_s: float = LONGEST_S,
    seed: int = 0,
    target: Target | None = None,
    progress: Report = silent,
) -> Check:
    """Measures a few whole networks and compares them with a table.

    Args:
        table: The table.
        space: Its space. The networks are spread over its range of multiply-accumulates.
        device: The device here, with the settings of the table.
        folder: Folder of the kit and the raw samples. An interrupted check continues.
        classes: Outputs of the networks' classifier; by default those that the table was made with.
        input_channels: Channels of the input image; by default those that the table was made with.
        networks: Number of networks; at least ``FEWEST``.
        budget_s: Seconds of measuring.
        seed: Seed of the networks, their weights and the order of measuring.
        target: How the device is reached; ``None`` if it is this machine.
        progress: Called with how far the measurement is.

    Raises:
        UserError: If the table lacks the blocks of the space, or the measurement fails.
    """
    known_classes, known_channels = _sizes(table, space)
    sample = _sample(
        table,
        space,
        classes=classes or known_classes,
        input_channels=input_channels or known_channels,
        count=networks,
        seed=seed,
    )
    protocol = Protocol(
        budget_s=budget_s, seed=seed, min_rounds=10, max_rounds=40, spread_s=min(_SPREAD_S, budget_s / 2)
    )
    kit = write_kit(
        folder / "kit",
        device=device.here() if target is None else device,
        networks=sample,
        protocol=protocol,
        seed=seed,
    )
    header, windows = run_kit(kit, folder / SAMPLES, target=target, progress=progress)
    measured = entry_latencies(kit.manifest, windows)
    base = dataclasses.replace(  # the protocol stays, for blocks that are added later
        table,
        device=measured_device(kit.manifest, header),
        references_ms=references(measured),
        provenance={**provenance(header, windows), CHECKED: table.name},
    )
    return judge(compared(base), sample, [measured[each.id] for each in sample])


def _sample(
    table: LatencyTable, space: SearchSpace, *, classes: int, input_channels: int, count: int, seed: int
) -> list[KitNetwork]:
    resolutions = [
        resolution
        for resolution in space.resolutions
        if not table.model.missing(
            space.block_specs(resolutions=[resolution], classes=classes, input_channels=input_channels)
        )
    ]
    if not resolutions:
        raise UserError(
            f"the latency table {table.name} lacks blocks of the space {space.name} with {classes} classes "
            f"and {input_channels} input channels; set space, table.classes and table.input_channels to "
            "those of the table"
        )
    sizes = {"classes": classes, "input_channels": input_channels}
    drawn = stratified(space, count, np.random.default_rng(seed), resolutions=resolutions, **sizes)
    return [
        KitNetwork(f"network-{i}", "validation", space.network(arch, **sizes)) for i, arch in enumerate(drawn)
    ]


def _sizes(table: LatencyTable, space: SearchSpace) -> tuple[int, int]:
    """Classes and input channels of the networks that the table was made with."""
    for record in table.probes:
        if record.role != "probe" and record.blocks:
            first, last = parse_key(record.blocks[0]), parse_key(record.blocks[-1])
            return last.out_shape.channels, first.in_channels
    return 1000, space.input_channels


def judge(table: LatencyTable, sample: Sequence[KitNetwork], measured: Sequence[Latency]) -> Check:
    """Compares a table with the latencies of whole networks, and corrects it.

    Args:
        table: The table, with the device and provenance of the measurement.
        sample: The networks.
        measured: Their latencies, (N,).
    """
    networks = [each.network for each in sample if isinstance(each.network, NetworkSpec)]
    blocks, macs = [network.blocks for network in networks], np.array([float(n.macs) for n in networks])
    truth = np.array([latency.value_ms for latency in measured])
    model = table.model.without_correction() if isinstance(table.model, BlockModel) else table.model
    predicted = np.array([model.predict(each) for each in blocks])

    def by_others(i: int) -> tuple[float, float]:
        """The predictions for a network, by the table and by MACs, that the other networks give."""
        others = np.delete(np.arange(len(truth)), i)
        refitted = model.refitted([blocks[j] for j in others], truth[others])
        return refitted.predict(blocks[i]), float(fit_line(macs[others], truth[others])(macs[i]))

    corrected, line = np.array([by_others(i) for i in range(len(truth))]).T
    accuracy = Accuracy(
        networks=len(truth),
        table=compare(corrected, truth),
        macs=compare(line, truth),
        uncorrected=compare(predicted, truth),
        noise_floor=noise_floor(measured),
        cross_validated=True,
    )
    records = network_records(
        sample, {each.id: latency for each, latency in zip(sample, measured, strict=True)}
    )
    probes = [
        dataclasses.replace(record, predicted_ms=round(value, 6))
        for record, value in zip(records, corrected.tolist(), strict=True)
    ]
    ratio, low, high = _mean_ratio(truth / predicted)
    return Check(
        table=dataclasses.replace(
            table, model=model.refitted(blocks, truth), accuracy=accuracy, probes=tuple(probes)
        ),
        ratio=ratio,
        low=low,
        high=high,
    )


def _mean_ratio(ratios: FloatArray) -> tuple[float, float, float]:
    """The geometric mean of ratios with its 95 % confidence interval; it assumes normal logarithms."""
    logs = np.log(ratios)
    mean, half = float(logs.mean()), student_t(len(logs) - 1) * float(logs.std(ddof=1)) / math.sqrt(len(logs))
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)
