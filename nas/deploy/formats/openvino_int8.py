"""``openvino_int8``: OpenVINO IR in INT8, quantised by NNCF on training images."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

import numpy as np

from nas.deploy.formats import Format, Predict, Source, register
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
    PACKAGES: ClassVar[tuple[str, ...]] = (*OpenVino.PACKAGES, "nncf")
    EXTRA: ClassVar[str] = "openvino"
    TOLERANCE: ClassVar[float] = float("inf")
    AGREEMENT: ClassVar[float | None] = 0.5
    NOTE: ClassVar[str] = OpenVino.NOTE

    def write(self, source: Source, path: Path) -> None:
        log = source.logs / f"{path.name}.log"
        with atomic_folder(path) as folder, source.saved_calibration() as images:
            convert(quantise, source.onnx, images, source.batch, folder / MODEL, log=log)

    def open(self, path: Path) -> Predict:
        return open_openvino(path)


def quantise(source: str, images: str, batch: int | None, path: str) -> None:
    """Writes an ONNX file as OpenVINO IR in INT8."""
    model = read(source)
    import nncf

    calibration, size = np.load(images), batch or 1
    parts = [calibration[start : start + size] for start in range(0, len(calibration) - size + 1, size)]
    save(nncf.quantize(model, nncf.Dataset(parts), subset_size=len(parts)), path)
