"""The form of INT8 models for each family of targets."""

from __future__ import annotations

import platform
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import onnx

WEIGHTED = frozenset({"Conv", "Gemm", "MatMul"})
"""Operations with weights, which are quantised per output channel; ``MatMul`` only with constant weights."""


def is_weighted(node: onnx.NodeProto, constants: Container[str]) -> bool:
    """Whether an operation multiplies an activation by constant weights."""
    return node.op_type in WEIGHTED and node.input[1] in constants


@final
@dataclass(frozen=True, kw_only=True)
class Scheme:
    """The form of INT8 models for one family of targets.

    Attributes:
        unsigned: Whether activations are unsigned with a zero point, or signed and symmetric.
        kinds: Operations that run in INT8.
        outputs: Whether their outputs are quantised too.
        biases: Whether biases are stored as integers.
        weight_limit: The largest absolute value of a quantised weight.
    """

    unsigned: bool
    kinds: frozenset[str]
    outputs: bool
    biases: bool
    weight_limit: int = 127

    def encode(self, low: float, high: float) -> tuple[float, int]:
        """Scale and zero point of an activation whose values lie between ``low`` and ``high``."""
        low, high = min(low, 0.0), max(high, 0.0)
        if self.unsigned:
            scale = max(high - low, 1e-6) / 255
            return scale, round(-low / scale)
        return max(high, -low, 1e-6) / 127, 0

    @property
    def dtype(self) -> type[np.uint8] | type[np.int8]:
        """The type of activations."""
        return np.uint8 if self.unsigned else np.int8


_EVERYWHERE = frozenset({*WEIGHTED, "Add", "Mul", "GlobalAveragePool", "AveragePool", "Sigmoid"})

SCHEMES = {
    "x86": Scheme(unsigned=True, kinds=_EVERYWHERE, outputs=True, biases=True),
    # Without VNNI, two products are added in 16 bits, which saturate unless weights have 7 bits.
    "x86_without_vnni": Scheme(unsigned=True, kinds=_EVERYWHERE, outputs=True, biases=True, weight_limit=63),
    # TensorRT fuses the operations between a dequantised input and the next pair, and needs float biases
    # (TensorRT documentation, "Working with quantized types", explicit quantization).
    "tensorrt": Scheme(unsigned=False, kinds=WEIGHTED, outputs=False, biases=False),
}
"""By name. ``x86`` suits Arm processors and OpenVINO too."""


def scheme_of(*, runtime: str, provider: str) -> Scheme:
    """The scheme of a runtime and its provider."""
    nvidia = runtime == "tensorrt" or provider in ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    return SCHEMES["tensorrt" if nvidia else "x86"]


def target_here() -> str:
    """The target of models that run on this machine: ``x86``, with or without VNNI."""
    if platform.machine() not in ("x86_64", "AMD64", "i686"):
        return "x86"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux: 7 bits are safe everywhere, if a little less accurate
        flags = ""
    return "x86" if "vnni" in flags else "x86_without_vnni"
