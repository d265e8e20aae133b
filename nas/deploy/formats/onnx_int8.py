"""``onnx_int8``: INT8 ONNX, calibrated on training images, for runtimes that read QDQ pairs."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

from nas.deploy.formats import Format, Predict, Source, register
from nas.deploy.formats.onnx import Onnx, open_onnx
from nas.deploy.interface import INPUT
from nas.files import atomic

_BATCH = 64


@final
@register
class OnnxInt8(Format):
    """INT8 ONNX. Rounding changes logits, so parity requires that most images keep their top-1 class."""

    NAME: ClassVar[str] = "onnx_int8"
    SUFFIX: ClassVar[str] = ".int8.onnx"
    TOLERANCE: ClassVar[float] = float("inf")
    AGREEMENT: ClassVar[float | None] = 0.5

    def write(self, source: Source, path: Path) -> None:
        import onnx

        from nas.quantization import quantize

        images = source.calibration
        batches = ({INPUT: images[start : start + _BATCH]} for start in range(0, len(images), _BATCH))
        quantised = quantize(onnx.load(str(source.onnx)), target=source.int8_target, batches=batches)
        with atomic(path) as temporary:
            onnx.save(quantised, str(temporary))

    def open(self, path: Path) -> Predict:
        return open_onnx(path)

    def versions(self) -> dict[str, str]:
        return Onnx().versions()
