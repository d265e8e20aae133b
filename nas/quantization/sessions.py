"""Running a model on the CPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray


def open_session(model: onnx.ModelProto, *, threads: int = 0) -> Any:
    """An inference session of ONNX Runtime on the CPU.

    Args:
        model: A model.
        threads: Threads per inference; 0 for one per core.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def outputs(
    model: onnx.ModelProto, batches: Iterable[Mapping[str, NDArray[np.float32]]]
) -> NDArray[np.float32]:
    """The first output of a model for all batches, (N, …)."""
    session = open_session(model)
    return np.concatenate([session.run(None, dict(batch))[0] for batch in batches])
