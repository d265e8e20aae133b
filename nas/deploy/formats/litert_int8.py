"""``litert_int8``: a file for LiteRT in INT8, quantised on training images.

The quantiser takes moving averages of the smallest and largest values of an activation for its range, which
cuts off most images' extremes: a network for digits had 13 dB so, and 32 dB with the true extremes, which are
taken here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from nas.deploy.environments import Environment
from nas.deploy.formats import LEAST_AGREEMENT, Format, Predict, Source, register
from nas.deploy.formats.litert import LiteRt, load, write_float
from nas.deploy.isolated import convert, predict_apart
from nas.files import atomic

_SIGNATURE = "serving_default"


@final
@register
class LiteRtInt8(Format):
    """A ``.tflite`` file with a fixed batch, by default of one image; images and logits stay in float."""

    NAME: ClassVar[str] = "litert_int8"
    SUMMARY: ClassVar[str] = "LiteRT (TensorFlow Lite) in INT8, calibrated on training images"
    SUFFIX: ClassVar[str] = ".int8.tflite"
    PRECISION: ClassVar[str] = "int8"
    CALIBRATED: ClassVar[bool] = True
    PACKAGES: ClassVar[tuple[str, ...]] = (*LiteRt.PACKAGES, "ai-edge-quantizer")
    EXTRA: ClassVar[str] = LiteRt.EXTRA
    ENVIRONMENT: ClassVar[Environment | None] = LiteRt.ENVIRONMENT
    TOLERANCE: ClassVar[float] = float("inf")
    AGREEMENT: ClassVar[float | None] = LEAST_AGREEMENT
    NOTE: ClassVar[str] = LiteRt.NOTE
    LIBRARY: ClassVar[str] = LiteRt.LIBRARY
    USAGE: ClassVar[str] = LiteRt.USAGE

    def write(self, source: Source, path: Path) -> None:
        logs = source.logs
        with (
            atomic(path) as temporary,
            source.saved_calibration() as images,
            tempfile.TemporaryDirectory() as folder,
        ):
            in_float = Path(folder) / "float.tflite"
            write_float(source, in_float, log=logs / f"{path.name}.float.log")
            convert(quantise, in_float, images, source.batch, temporary, log=logs / f"{path.name}.log")

    def open(self, path: Path) -> Predict:
        return predict_apart(load, path)


def quantise(source: str, images: str, batch: int | None, path: str) -> None:
    """Writes the INT8 version of a file for LiteRT."""
    from ai_edge_quantizer.quantizer import Quantizer

    recipe = _recipe()
    quantizer = Quantizer(source, recipe.get_quantization_recipe())
    ranges = _ranges(source, recipe, np.load(images), size=batch or 1)
    quantised = quantizer.quantize(ranges, enable_progress_report=False).quantized_model
    Path(path).write_bytes(quantised)


def _recipe() -> Any:
    """INT8 weights and activations; the input and the output stay in float."""
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.recipe_manager import RecipeManager

    recipe = RecipeManager()
    recipe.add_static_config(
        regex=".*",
        operation_name=TFLOperationName.ALL_SUPPORTED,
        activation_num_bits=8,
        weight_num_bits=8,
    )
    for name in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
        recipe.add_quantization_config(
            regex=".*", operation_name=name, algorithm_key=AlgorithmName.NO_QUANTIZE
        )
    return recipe


def _ranges(source: str, recipe: Any, images: Any, *, size: int) -> Mapping[str, Any]:
    """The smallest and the largest value of each activation over all images."""
    from ai_edge_quantizer.calibrator import CalibrationMode, Calibrator
    from ai_edge_quantizer.utils.qsv_utils import min_max_update

    calibrator = Calibrator(
        source,
        num_threads=1,
        mode=CalibrationMode.CALIBRATION_PRESERVE_ALL_TENSORS,
        qsv_update_func=min_max_update,
    )
    parts = [
        {"images": images[start : start + size].transpose(0, 2, 3, 1)}
        for start in range(0, len(images) - size + 1, size)
    ]
    calibrator.calibrate({_SIGNATURE: parts}, recipe)
    ranges: Mapping[str, Any] = calibrator.get_model_qsvs()
    return ranges
