"""``onnx_fp16``: ONNX with FP16 weights and arithmetic; images and logits stay in FP32."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

from nas.deploy.formats import Format, Predict, Source, register
from nas.deploy.formats.onnx import Onnx, open_onnx
from nas.files import atomic
from nas.latency.kit.half import to_half


@final
@register
class OnnxFp16(Format):
    """FP16 ONNX; sums over all pixels and decays stay in float32."""

    NAME: ClassVar[str] = "onnx_fp16"
    SUMMARY: ClassVar[str] = "ONNX in FP16: half the size; faster on GPUs, not on most CPUs"
    SUFFIX: ClassVar[str] = ".fp16.onnx"
    PRECISION: ClassVar[str] = "fp16"
    PACKAGES: ClassVar[tuple[str, ...]] = Onnx.PACKAGES
    RUNTIMES: ClassVar[frozenset[str]] = Onnx.RUNTIMES - {"torch"}
    TOLERANCE: ClassVar[float] = 1e-2
    LIBRARY: ClassVar[str] = Onnx.LIBRARY
    USAGE: ClassVar[str] = Onnx.USAGE

    def write(self, source: Source, path: Path) -> None:
        import onnx

        half = to_half(onnx.load(str(source.onnx)), interface=False)
        with atomic(path) as temporary:
            onnx.save(half, str(temporary))

    def open(self, path: Path) -> Predict:
        return open_onnx(path)
