"""``tensorrt_int8``: what builds an INT8 engine of TensorRT on the target."""

from __future__ import annotations

from typing import ClassVar, final

from nas.deploy.formats import LEAST_AGREEMENT, Format, register
from nas.deploy.formats.onnx_int8 import OnnxInt8
from nas.deploy.formats.tensorrt import TensorRtFolder


@final
@register
class TensorRtInt8(TensorRtFolder):
    """TensorRT in INT8, with symmetric activations."""

    NAME: ClassVar[str] = "tensorrt_int8"
    SUMMARY: ClassVar[str] = (
        "TensorRT in INT8, calibrated on training images; the engine is built on the target"
    )
    SUFFIX: ClassVar[str] = ".int8.tensorrt"
    PRECISION: ClassVar[str] = "int8"
    CALIBRATED: ClassVar[bool] = True
    TOLERANCE: ClassVar[float] = float("inf")
    AGREEMENT: ClassVar[float | None] = LEAST_AGREEMENT
    ONNX: ClassVar[type[Format]] = OnnxInt8
