"""``tensorrt_fp16``: what builds an FP16 engine of TensorRT on the target."""

from __future__ import annotations

from typing import ClassVar, final

from nas.deploy.formats import Format, register
from nas.deploy.formats.onnx_fp16 import OnnxFp16
from nas.deploy.formats.tensorrt import TensorRtFolder


@final
@register
class TensorRtFp16(TensorRtFolder):
    """TensorRT in FP16."""

    NAME: ClassVar[str] = "tensorrt_fp16"
    SUMMARY: ClassVar[str] = "TensorRT in FP16; the engine is built on the target"
    SUFFIX: ClassVar[str] = ".fp16.tensorrt"
    PRECISION: ClassVar[str] = "fp16"
    TOLERANCE: ClassVar[float] = 1e-2
    ONNX: ClassVar[type[Format]] = OnnxFp16
