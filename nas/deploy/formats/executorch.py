"""``executorch``: a program of ExecuTorch for XNNPACK, for phones and other Arm processors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from nas.deploy.formats import FloatImages, Format, Predict, Source, in_batches, register
from nas.deploy.formats.torch_export import plain_module, traced
from nas.deploy.isolated import convert, predict_apart
from nas.files import atomic


@final
@register
class ExecuTorch(Format):
    """A ``.pte`` file with a fixed batch, by default of one image."""

    NAME: ClassVar[str] = "executorch"
    SUMMARY: ClassVar[str] = "ExecuTorch with XNNPACK in FP32"
    SUFFIX: ClassVar[str] = ".pte"
    PACKAGES: ClassVar[tuple[str, ...]] = ("torch", "executorch")
    EXTRA: ClassVar[str] = "executorch"
    TOLERANCE: ClassVar[float] = 1e-4
    LIBRARY: ClassVar[str] = "executorch"
    USAGE: ClassVar[str] = """\
# pip install executorch
import torch
from executorch.runtime import Runtime

network = Runtime.get().load_program("FILE").load_method("forward")
logits = network.execute([torch.from_numpy(images)])[0].numpy()
"""

    def write(self, source: Source, path: Path) -> None:
        with atomic(path) as temporary, plain_module(source) as module:
            convert(to_executorch, module, source.batch, temporary, log=source.logs / f"{path.name}.log")

    def open(self, path: Path) -> Predict:
        return predict_apart(load, path)


def load(path: Path) -> Predict:
    """Loads a program into ExecuTorch's runtime, which prints, and may end the process."""
    import torch
    from executorch.runtime import Runtime

    content = path.read_bytes()
    method: Any = Runtime.get().load_program(content).load_method("forward")

    def predict(images: FloatImages) -> NDArray[np.float32]:
        assert content, "the runtime reads the file's bytes until the end, and keeps no reference to them"
        [logits] = method.execute([torch.from_numpy(np.ascontiguousarray(images))])
        return np.array(logits.numpy())  # the runtime uses its memory again

    return in_batches(predict, method.metadata.input_tensor_meta(0).sizes()[0])


def to_executorch(module: str, batch: int | None, path: str) -> None:
    """Writes the network of a folder as a program of ExecuTorch."""
    save(traced(module, batch=batch or 1), path)


def save(program: Any, path: str) -> None:
    """Lowers an exported program to XNNPACK and saves it."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    Path(path).write_bytes(lowered.to_executorch().buffer)
