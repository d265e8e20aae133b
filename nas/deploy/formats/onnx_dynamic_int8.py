"""``onnx_dynamic_int8``: ONNX with INT8 weights whose activations are quantised during each inference."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

from nas.deploy.formats import LEAST_AGREEMENT, Format, Predict, Source, register
from nas.deploy.formats.onnx import Onnx, open_onnx
from nas.deploy.isolated import convert
from nas.files import atomic


@final
@register
class OnnxDynamicInt8(Format):
    """Dynamic INT8 ONNX, by ONNX Runtime's quantiser."""

    NAME: ClassVar[str] = "onnx_dynamic_int8"
    SUMMARY: ClassVar[str] = "ONNX with INT8 weights, without calibration"
    SUFFIX: ClassVar[str] = ".dynamic_int8.onnx"
    PRECISION: ClassVar[str] = "int8"
    PACKAGES: ClassVar[tuple[str, ...]] = Onnx.PACKAGES
    RUNTIMES: ClassVar[frozenset[str]] = frozenset({"onnxruntime"})
    TOLERANCE: ClassVar[float] = float("inf")
    AGREEMENT: ClassVar[float | None] = LEAST_AGREEMENT
    NOTE: ClassVar[str] = (
        "convolutions are usually slower than in FP32, since ranges are found at run time; they are those of "
        "the whole batch, so that logits depend on its other images"
    )
    LIBRARY: ClassVar[str] = Onnx.LIBRARY
    USAGE: ClassVar[str] = Onnx.USAGE

    def write(self, source: Source, path: Path) -> None:
        with atomic(path) as temporary:
            convert(quantise, source.onnx, temporary, log=source.logs / f"{path.name}.log")

    def open(self, path: Path) -> Predict:
        return open_onnx(path)


def quantise(source: str, path: str) -> None:
    """Writes the dynamic INT8 version of an ONNX file."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, path, per_channel=True, weight_type=QuantType.QUInt8)
