"""``openvino_int8``: OpenVINO IR in INT8, quantised by NNCF on training images.

NNCF's default range of an activation is the mean of the images' extremes, symmetric around zero. A network
with hard-swish, trained on CIFAR-10, had 18.3 dB so, 28.4 dB with the true extremes and a zero point, and
30.8 dB with biases that are corrected one layer after the other. All three are done here.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

import numpy as np

from nas.deploy.formats import LEAST_AGREEMENT, Format, Predict, Source, register
from nas.deploy.formats.openvino import MODEL, OpenVino, open_openvino, read, save
from nas.deploy.isolated import convert
from nas.files import atomic_folder


@final
@register
class OpenVinoInt8(Format):
    """A folder with ``model.xml`` and ``model.bin``."""

    NAME: ClassVar[str] = "openvino_int8"
    SUMMARY: ClassVar[str] = "OpenVINO IR in INT8, calibrated on training images"
    SUFFIX: ClassVar[str] = ".openvino_int8"
    PRECISION: ClassVar[str] = "int8"
    CALIBRATED: ClassVar[bool] = True
    PACKAGES: ClassVar[tuple[str, ...]] = (*OpenVino.PACKAGES, "nncf")
    EXTRA: ClassVar[str] = "openvino"
    TOLERANCE: ClassVar[float] = float("inf")
    AGREEMENT: ClassVar[float | None] = LEAST_AGREEMENT
    NOTE: ClassVar[str] = OpenVino.NOTE
    LIBRARY: ClassVar[str] = OpenVino.LIBRARY
    USAGE: ClassVar[str] = OpenVino.USAGE

    def write(self, source: Source, path: Path) -> None:
        log = source.logs / f"{path.name}.log"
        with atomic_folder(path) as folder, source.saved_calibration() as images:
            narrow = int(source.int8.target == "x86_without_vnni")
            convert(quantise, source.onnx, images, source.batch, narrow, folder / MODEL, log=log)

    def open(self, path: Path) -> Predict:
        return open_openvino(path)


def quantise(source: str, images: str, batch: int | None, narrow: int, path: str) -> None:
    """Writes an ONNX file as OpenVINO IR in INT8.

    Without VNNI, two products are added in 16 bits, which saturate unless weights have 7 bits: ``narrow``.
    """
    model = read(source)
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    calibration, size = np.load(images), batch or 1
    parts = [calibration[start : start + size] for start in range(0, len(calibration) - size + 1, size)]
    advanced = AdvancedQuantizationParameters(
        overflow_fix=OverflowFix.ENABLE if narrow else OverflowFix.DISABLE,
        activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
    )
    quantised = nncf.quantize(
        model,
        nncf.Dataset(parts),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(parts),
        fast_bias_correction=False,
        advanced_parameters=advanced,
    )
    save(quantised, path)
