"""Tables fitted only on the latencies of whole networks, for devices that cannot be profiled."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.files import sha256
from nas.hardware import Device
from nas.latency.estimate.networks_file import Measured, check_unit, read_networks
from nas.latency.models.accuracy import Accuracy, compare, fit_line
from nas.latency.models.base import LatencyModel
from nas.latency.models.features import COLUMN, COLUMNS, many_features
from nas.latency.models.networks import NetworkModel, Scaling, fit_network_model
from nas.latency.table import LatencyTable, Record
from nas.space import SearchSpace

FITTED = 200
"""The largest number of networks for fitting a table. The other networks of a file validate it."""

FOLDS = 10
_SCALING_NETWORKS = 512


def fit_networks(
    space: SearchSpace,
    source: Path,
    *,
    device: Device,
    peaks: Device | None = None,
    sibling: LatencyTable | None = None,
    classes: int = 1000,
    input_channels: int | None = None,
    name: str = "",
) -> LatencyTable:
    """A table from a file of whole networks and their latencies.

    Args:
        space: The space of the networks.
        source: A CSV file with the columns ``architecture`` (a code of the space) and ``latency_ms``, see
            ``read_networks``.
        device: The device of the measurements.
        peaks: The device with its peaks, if ``device`` lacks them. Latencies far below its roofline are
            refused.
        sibling: The table of a similar device, with which fewer networks suffice.
        classes: Outputs of the networks' classifier.
        input_channels: Channels of the input image; the space's by default.
        name: The table's name; by default the space's and the device's.

    Raises:
        UserError: If the file is invalid (the message names the line), or the sibling lacks blocks.
    """
    measured = read_networks(space, source, with_sibling=sibling is not None)
    check_unit(
        space, measured, source, device=peaks or device, classes=classes, input_channels=input_channels
    )
    return fit_measured(
        space,
        measured,
        device=device,
        sibling=sibling,
        classes=classes,
        input_channels=input_channels,
        name=name,
        provenance={"source": source.name, "sha256": sha256(source)},
    )


def fit_measured(
    space: SearchSpace,
    measured: Measured,
    *,
    device: Device,
    sibling: LatencyTable | None = None,
    classes: int = 1000,
    input_channels: int | None = None,
    name: str = "",
    provenance: Mapping[str, str],
) -> LatencyTable:
    """A table from whole networks and their latencies.

    With at most ``FITTED`` networks, it is fitted on all and cross-validated. With more, it is fitted on a
    random sample of that size and validated on the others.

    Raises:
        UserError: If the sibling lacks blocks.
    """
    data = Data.of(space, measured, sibling=sibling, classes=classes, input_channels=input_channels)
    count = len(measured.latency_ms)
    order = np.random.default_rng(0).permutation(count)
    sample, rest = np.sort(order[:FITTED]), np.sort(order[FITTED:])
    model = data.fit(sample)
    judged, predicted_ms = (rest, data.predict(model, rest)) if len(rest) else data.cross_validate()
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    records = (
        [] if not len(rest) else _records(space, measured, sample, "correction", data.predict(model, sample))
    )
    return LatencyTable(
        name=name or f"{space.name}-{device.name}",
        device=device,
        space=space.name,
        model=model,
        accuracy=data.judge(judged, predicted_ms, fitted_on=sample),
        probes=(*records, *_records(space, measured, judged, "validation", predicted_ms)),
        protocol={"method": "whole networks"},
        provenance={"fitted": now, **provenance, **({"sibling": sibling.name} if sibling else {})},
    )


def _records(
    space: SearchSpace, measured: Measured, numbers: IntArray, role: str, predicted_ms: FloatArray
) -> list[Record]:
    codes = [str(arch) for arch in space.decode(measured.rows[numbers])]
    return [
        Record(role, (), latency, 0.0, 1, architecture=code, predicted_ms=round(predicted, 6))
        for code, latency, predicted in zip(
            codes, measured.latency_ms[numbers].tolist(), predicted_ms.tolist(), strict=True
        )
    ]


@dataclass(frozen=True, eq=False)
class Data:
    """The data for fitting and validation.

    Attributes:
        features: Features of the networks, (N, F).
        latency_ms: Their latencies, (N,).
        scaling: From random networks of the space.
        sibling: The model of a similar device.
        sibling_ms: Its predictions, (N,).
    """

    features: FloatArray
    latency_ms: FloatArray
    scaling: Scaling
    sibling: LatencyModel | None
    sibling_ms: FloatArray

    @classmethod
    def of(
        cls,
        space: SearchSpace,
        measured: Measured,
        *,
        sibling: LatencyTable | None = None,
        classes: int = 1000,
        input_channels: int | None = None,
    ) -> Data:
        """Counts the features of networks, and computes the sibling's predictions.

        Raises:
            UserError: If the sibling lacks blocks.
        """
        every = np.eye(len(COLUMNS))
        random = space.sample_many(_SCALING_NETWORKS, np.random.default_rng(0))

        def lower(rows: IntArray) -> FloatArray:
            lowered = space.lower_many(rows, classes=classes, input_channels=input_channels)
            return many_features(lowered, every)

        sibling_ms = (
            np.zeros(0)
            if sibling is None
            else sibling.predict_many(space, measured.rows, classes=classes, input_channels=input_channels)
        )
        return cls(
            features=lower(measured.rows),
            latency_ms=measured.latency_ms,
            scaling=Scaling.of(lower(random)),
            sibling=None if sibling is None else sibling.model,
            sibling_ms=sibling_ms,
        )

    def fit(self, numbers: IntArray) -> NetworkModel:
        """A model fitted on the networks with these numbers."""
        return fit_network_model(
            self.features[numbers],
            self.latency_ms[numbers],
            scaling=self.scaling,
            sibling=self.sibling,
            sibling_ms=self._sibling_ms(numbers),
        )

    def predict(self, model: NetworkModel, numbers: IntArray) -> FloatArray:
        """Predictions of a model for the networks with these numbers, in ms."""
        return model.predict_features(self.features[numbers], self._sibling_ms(numbers))

    def cross_validate(self) -> tuple[IntArray, FloatArray]:
        """The numbers of all networks, and for each the prediction of a model fitted on the other folds."""
        every = np.arange(len(self.latency_ms))
        fold = np.random.default_rng(0).permutation(len(every)) % min(FOLDS, len(every))
        predicted_ms = np.zeros(len(every))
        for number in np.unique(fold):
            model = self.fit(every[fold != number])
            predicted_ms[fold == number] = self.predict(model, every[fold == number])
        return every, predicted_ms

    def judge(self, judged: IntArray, predicted_ms: FloatArray, *, fitted_on: IntArray) -> Accuracy:
        """The figures of predictions, and those of MACs alone and of the scaled sibling."""
        macs, truth = self.features[:, COLUMN["macs"]], self.latency_ms
        line = fit_line(macs[fitted_on], truth[fitted_on])
        scaled = None
        if self.sibling is not None:
            factor = float(np.median(truth[fitted_on] / self.sibling_ms[fitted_on]))
            scaled = compare(factor * self.sibling_ms[judged], truth[judged])
        return Accuracy(
            networks=len(judged),
            table=compare(predicted_ms, truth[judged]),
            macs=compare(line(macs[judged]), truth[judged]),
            uncorrected=scaled,
            cross_validated=bool(np.isin(judged, fitted_on).any()),
        )

    def _sibling_ms(self, numbers: IntArray) -> FloatArray:
        return self.sibling_ms if self.sibling is None else self.sibling_ms[numbers]
