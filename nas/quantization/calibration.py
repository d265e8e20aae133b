"""The range of each activation over calibration images, from ONNX Runtime's calibrators."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from nas.errors import UserError, unknown
from nas.quantization.pairs import Range

FloatArray = NDArray[np.float32]

CALIBRATIONS = ("minmax", "percentile", "entropy")
"""Methods that turn the values of an activation into a range."""


def calibrate(
    model: onnx.ModelProto, batches: Iterable[Mapping[str, FloatArray]], *, method: str = "minmax"
) -> dict[str, Range]:
    """The range of each activation over the batches, from ONNX Runtime's calibrators.

    Raises:
        UserError: If the method is unknown or there are no batches.
    """
    if method not in CALIBRATIONS:
        raise unknown("calibration", method, CALIBRATIONS)
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator

    reader = _Reader(iter(batches))
    calibration = {name.lower(): value for name, value in CalibrationMethod.__members__.items()}[method]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, str(path))
        calibrator = create_calibrator(path, None, str(Path(folder) / "augmented.onnx"), calibration)
        try:
            calibrator.collect_data(reader)
        except ValueError:
            if reader.read:
                raise
            raise UserError("no images to calibrate INT8 on; give at least one batch") from None
        tensors = calibrator.compute_data()
    return {name: _range(data.range_value) for name, data in tensors.items()}


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
