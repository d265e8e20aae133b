"""INT8 of an ONNX model, per target: pairs of QuantizeLinear and DequantizeLinear (QDQ).

Weights have a scale per output channel, activations one for the whole tensor. The positions of the pairs
determine which operations a runtime can fuse, so the models of a kit and exported artefacts both use
``insert_pairs``, with assumed ranges for a kit and calibrated ones for an artefact. On whole networks, ONNX
Runtime's own quantiser leads to the same optimised operators and takes fifty times as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx

from nas.errors import unknown
from nas.quantization.calibrated import Calibrated
from nas.quantization.calibration import CALIBRATIONS, FloatArray, calibrate
from nas.quantization.choice import choose_calibration
from nas.quantization.images import ENOUGH, check_images
from nas.quantization.pairs import assumed_ranges, insert_pairs
from nas.quantization.schemes import SCHEMES, Scheme, scheme_of, target_here
from nas.quantization.sensitivity import Layer, Mixed, fewest_in_float

__all__ = [
    "CALIBRATIONS",
    "ENOUGH",
    "SCHEMES",
    "Calibrated",
    "Layer",
    "Mixed",
    "Scheme",
    "assumed_ranges",
    "calibrate",
    "check_images",
    "choose_calibration",
    "fewest_in_float",
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
        batches: Calibration inputs, each with an array for every input: training images, never test images.
        calibration: One of ``CALIBRATIONS``.

    Raises:
        UserError: If the target or calibration is unknown, or there are no batches.
    """
    if target not in SCHEMES:
        raise unknown("INT8 target", target, SCHEMES)
    return Calibrated.of(model, list(batches), scheme=SCHEMES[target], method=calibration).insert()
