"""``onnx_int8``: INT8 ONNX, calibrated on training images, for runtimes that read QDQ pairs."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

from nas.deploy.formats import LEAST_AGREEMENT, Format, Predict, Source, register
from nas.deploy.formats.onnx import Onnx, open_onnx
from nas.files import atomic


@final
@register
class OnnxInt8(Format):
    """INT8 ONNX. Rounding changes logits, so parity requires that most images keep their top-1 class."""

    NAME: ClassVar[str] = "onnx_int8"
    SUMMARY: ClassVar[str] = "ONNX in INT8 (static, QDQ pairs), calibrated on training images"
    SUFFIX: ClassVar[str] = ".int8.onnx"
    PRECISION: ClassVar[str] = "int8"
    CALIBRATED: ClassVar[bool] = True
    PACKAGES: ClassVar[tuple[str, ...]] = Onnx.PACKAGES
    RUNTIMES: ClassVar[frozenset[str]] = Onnx.RUNTIMES - {"torch"}
    TOLERANCE: ClassVar[float] = float("inf")
    AGREEMENT: ClassVar[float | None] = LEAST_AGREEMENT
    LIBRARY: ClassVar[str] = Onnx.LIBRARY
    USAGE: ClassVar[str] = Onnx.USAGE

    def write(self, source: Source, path: Path) -> None:
        import onnx

        from nas.deploy.quantised import quantise_network

        model = onnx.load(str(source.onnx))
        quantised = quantise_network(model, source.calibration, how=source.int8, batch=source.batch)
        with atomic(path) as temporary:
            onnx.save(quantised, str(temporary))

    def open(self, path: Path) -> Predict:
        return open_onnx(path)

    def note(self, path: Path) -> str:
        import onnx

        from nas.deploy.quantised import layers_in_float

        return layers_in_float(onnx.load(str(path)))
