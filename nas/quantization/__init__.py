"""INT8 of an ONNX model, per target: pairs of QuantizeLinear and DequantizeLinear (QDQ).

Weights have a scale for each output channel; activations one for the whole tensor. Where a pair stands
decides which operations a runtime can fuse, so the measured models of a kit and an artefact that ships get
theirs from the same ``insert_pairs``: a kit's ranges are assumed, those of an artefact calibrated. On whole
networks, the quantiser of ONNX Runtime leads to the same optimised operators, in fifty times the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx

from nas.errors import unknown
from nas.quantization.calibration import CALIBRATIONS, FloatArray, calibrate
from nas.quantization.pairs import assumed_ranges, insert_pairs
from nas.quantization.schemes import SCHEMES, Scheme, scheme_of, target_here

__all__ = [
    "CALIBRATIONS",
    "SCHEMES",
    "Scheme",
    "assumed_ranges",
    "calibrate",
    "insert_pairs",
    "quantize",
    "scheme_of",
    "target_here",
]


def quantize(
    model: onnx.ModelProto,
    *,
    target: str,
    batches: Iterable[Mapping[str, FloatArray]],
    calibration: str = "minmax",
) -> onnx.ModelProto:
    """An INT8 version of a float model.

    Args:
        model: A float model with BatchNorm folded.
        target: One of ``SCHEMES``.
        batches: Calibration inputs, each with an array for every input; training images, never test ones.
        calibration: One of ``CALIBRATIONS``.

    Raises:
        UserError: If the target or calibration is unknown, or there are no batches.
    """
    if target not in SCHEMES:
        raise unknown("INT8 target", target, SCHEMES)
    return insert_pairs(model, calibrate(model, batches, method=calibration), scheme=SCHEMES[target])
