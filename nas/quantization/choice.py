"""Choosing the calibration on images that no range was taken from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from nas.quantization.calibrated import Calibrated
from nas.quantization.calibration import CALIBRATIONS, FloatArray
from nas.quantization.schemes import Scheme
from nas.quantization.sessions import outputs

_HELD_OUT = 4  # one batch in four


def choose_calibration(
    model: onnx.ModelProto, batches: Sequence[Mapping[str, FloatArray]], *, scheme: Scheme
) -> str:
    """The calibration that adds the least noise to the outputs on images that it has not seen.

    Args:
        model: A float model with BatchNorm folded.
        batches: Calibration inputs. The first three quarters give the ranges, the others judge; a single
            batch cannot be divided, which leaves the first method.
        scheme: The positions and the form of the pairs.
    """
    count = max(1, len(batches) // _HELD_OUT)
    seen, unseen = batches[:-count], batches[-count:]
    if not seen:
        return CALIBRATIONS[0]
    exact = outputs(model, unseen)

    def noise(method: str) -> float:
        quantised = Calibrated.of(model, seen, scheme=scheme, method=method).insert()
        return float(np.square(outputs(quantised, unseen) - exact, dtype=np.float64).sum())

    return min(CALIBRATIONS, key=noise)
