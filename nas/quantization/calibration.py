"""The range of each activation over calibration images."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from nas.errors import UserError, unknown
from nas.quantization.histogram import Histogram
from nas.quantization.pairs import Range
from nas.quantization.sessions import open_session

FloatArray = NDArray[np.float32]
Batches = Iterable[Mapping[str, FloatArray]]

CALIBRATIONS = ("minmax", "percentile")
"""Methods that turn the values of an activation into a range."""

PERCENTILE = 99.999
"""Share of the values in the range of the method ``percentile``, in percent.

On two networks trained on CIFAR-10, in three schemes, it had a mean SQNR 0.4 dB above that of ``minmax``, and
99.99 had one 2 dB below.
"""


def calibrate(model: onnx.ModelProto, batches: Batches, *, method: str = "minmax") -> dict[str, Range]:
    """The range of each activation over the batches.

    Args:
        model: A float model with BatchNorm folded.
        batches: An array for every input. The method ``percentile`` holds every activation of one batch in
            memory.
        method: One of ``CALIBRATIONS``.

    Raises:
        UserError: If the method is unknown or there are no batches.
    """
    if method not in CALIBRATIONS:
        raise unknown("calibration", method, CALIBRATIONS)
    return _extremes(model, batches) if method == "minmax" else _percentiles(model, batches)


def _percentiles(model: onnx.ModelProto, batches: Batches) -> dict[str, Range]:
    names = [node.output[0] for node in model.graph.node]
    histograms = {name: Histogram() for name in (*(value.name for value in model.graph.input), *names)}
    session, read = open_session(with_outputs(model, names)), 0
    for batch in batches:
        read += 1
        for name, values in (*batch.items(), *zip(names, session.run(names, dict(batch)), strict=True)):
            histograms[name].add(values)
    if not read:
        raise _no_images()
    return {name: histogram.percentile(PERCENTILE) for name, histogram in histograms.items()}


def with_outputs(model: onnx.ModelProto, names: Iterable[str]) -> onnx.ModelProto:
    """A copy of a model that also returns these activations."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    have = {value.name for value in result.graph.output}
    result.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in names
        if name not in have
    )
    return result


def _extremes(model: onnx.ModelProto, batches: Batches) -> dict[str, Range]:
    """The smallest and largest values, from ONNX Runtime's calibrator, which reduces them in the model."""
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator

    reader = _Reader(iter(batches))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, str(path))
        augmented = str(Path(folder) / "augmented.onnx")
        calibrator = create_calibrator(path, None, augmented, CalibrationMethod.MinMax)
        try:
            calibrator.collect_data(reader)
        except ValueError:
            if reader.read:
                raise
            raise _no_images() from None
        tensors = calibrator.compute_data()
    return {name: _range(data.range_value) for name, data in tensors.items()}


def _no_images() -> UserError:
    return UserError("no images to calibrate INT8 on; give at least one batch")


class _Reader:
    """The batches in the form that ONNX Runtime's calibrators expect."""

    def __init__(self, batches: Iterator[Mapping[str, FloatArray]]) -> None:
        self._batches, self.read = batches, 0

    def get_next(self) -> dict[str, FloatArray] | None:
        batch = next(self._batches, None)
        self.read += batch is not None
        return None if batch is None else dict(batch)


def _range(values: tuple[Any, Any]) -> Range:
    low, high = (float(np.asarray(value).item()) for value in values)
    return low, high
