"""``onnx_int8``: INT8 ONNX, calibrated on training images, for runtimes that read QDQ pairs."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

from nas.deploy.formats import Format, Predict, Source, filled, register
from nas.deploy.formats.onnx import Onnx, open_onnx
from nas.deploy.interface import INPUT
from nas.files import atomic

_BATCH = 64


@final
@register
class OnnxInt8(Format):
    """INT8 ONNX. Rounding changes logits, so parity requires that most images keep their top-1 class."""

    NAME: ClassVar[str] = "onnx_int8"
    SUMMARY: ClassVar[str] = "ONNX in INT8 (static, QDQ pairs), calibrated on training images"
    SUFFIX: ClassVar[str] = ".int8.onnx"
    PRECISION: ClassVar[str] = "int8"
    PACKAGES: ClassVar[tuple[str, ...]] = Onnx.PACKAGES
    RUNTIMES: ClassVar[frozenset[str]] = Onnx.RUNTIMES - {"torch"}
    TOLERANCE: ClassVar[float] = float("inf")
    AGREEMENT: ClassVar[float | None] = 0.5
    LIBRARY: ClassVar[str] = Onnx.LIBRARY
    USAGE: ClassVar[str] = Onnx.USAGE

    def write(self, source: Source, path: Path) -> None:
        import onnx

        from nas.quantization import quantize

        images, size = source.calibration, source.batch or _BATCH
        parts = (images[start : start + size] for start in range(0, len(images), size))
        batches = ({INPUT: filled(part, size) if source.batch else part} for part in parts)
        quantised = quantize(onnx.load(str(source.onnx)), target=source.int8_target, batches=batches)
        with atomic(path) as temporary:
            onnx.save(quantised, str(temporary))

    def open(self, path: Path) -> Predict:
        return open_onnx(path)
