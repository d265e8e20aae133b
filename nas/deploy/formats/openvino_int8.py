"""``openvino_int8``: OpenVINO IR in INT8, quantised by NNCF on training images."""

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

    calibration, size = np.load(images), batch or 1
    parts = [calibration[start : start + size] for start in range(0, len(calibration) - size + 1, size)]
    advanced = AdvancedQuantizationParameters(
        overflow_fix=OverflowFix.ENABLE if narrow else OverflowFix.DISABLE
    )
    dataset = nncf.Dataset(parts)
    save(
        nncf.quantize(model, dataset, subset_size=len(parts), advanced_parameters=advanced),
        path,
    )
