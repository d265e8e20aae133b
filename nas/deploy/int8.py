"""The accuracy that a network keeps in INT8, found without exporting it: a search asks for hundreds.

The graph is written from the network's lowering with its weights, in milliseconds, where tracing takes
seconds. It has the operations of the exported one, gets its pairs from the same ``quantize``, and runs in
ONNX Runtime, whose rounding is what will ship. That both graphs agree is a test.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from nas.latency.kit.graphs import GraphWriter
from nas.quantization import quantize, target_here

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

    from nas.nn import StaticNetwork
    from nas.training.evaluation import Accuracy

FloatArray = NDArray[np.float32]
BATCH = 64


def int8_accuracy(
    model: StaticNetwork,
    *,
    calibration: Iterable[tuple[Tensor, Tensor]],
    images: Iterable[tuple[Tensor, Tensor]],
    target: str | None = None,
    method: str = "minmax",
) -> Accuracy:
    """What an INT8 version of a network classifies rightly, run by ONNX Runtime on the CPU.

    Args:
        model: In evaluation mode, its BatchNorm statistics calibrated; on any device.
        calibration: Batches of training images (N, C, H, W) and labels, which the ranges are taken from.
        images: Batches of the images that are counted.
        target: One of ``nas.quantization.SCHEMES``; by default the one of this machine.
        method: One of ``nas.quantization.CALIBRATIONS``.

    Raises:
        UserError: If the target or the method is unknown, or there are no calibration images.
    """
    from nas.training.evaluation import Accuracy

    quantised = quantize(
        written(model, batch=BATCH),
        target=target or target_here(),
        batches=({"input": x} for x, _ in _chunks(calibration)),
        calibration=method,
    )
    session, correct, total = _session(quantised), 0, 0
    for x, y in _chunks(images):
        answers = session.run(None, {"input": x})[0][: len(y)].argmax(1)
        correct += int(np.count_nonzero(answers == y))
        total += len(y)
    return Accuracy(correct, total)


def written(model: StaticNetwork, *, batch: int) -> onnx.ModelProto:
    """A network in ONNX, BatchNorm folded: ``input`` (batch, C, H, W) to ``output`` (batch, classes)."""
    from nas.deploy.onnx import fold_norms

    folded = fold_norms(copy.deepcopy(model).cpu())
    values = (parameter.detach().float().numpy() for parameter in folded.parameters())
    blocks = model.network.blocks
    writer, x = _TrainedWriter(blocks[0].in_shape, batch=batch, values=values), "input"
    for block in blocks:
        x = writer.add_block(block, x)
    assert next(values, None) is None, "the lowering has used every parameter"
    return writer.model(x, blocks[-1].out_shape)


@final
class _TrainedWriter(GraphWriter):
    """Takes trained weights, in the order of the operations, where its base draws random ones."""

    def __init__(self, in_shape: Any, *, batch: int, values: Iterator[FloatArray]) -> None:
        super().__init__(in_shape, batch=batch, rng=np.random.default_rng(0))
        self._values = values

    def weights(self, *shape: int, fan_in: int) -> str:
        return self._next(shape)

    def factors(self, *shape: int) -> str:
        return self._next(shape)

    def _next(self, shape: tuple[int, ...]) -> str:
        value = next(self._values)
        assert value.size == np.prod(shape), f"a parameter of shape {value.shape} where {shape} belongs"
        return self.constant(value.reshape(shape))


def _chunks(batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[FloatArray, NDArray[np.int64]]]:
    """Batches of exactly ``BATCH`` images; a last one is filled up with its last image, without labels."""
    for x, y in batches:
        pixels, labels = x.cpu().float().numpy(), y.cpu().numpy()
        for start in range(0, len(labels), BATCH):
            part = pixels[start : start + BATCH]
            filled = np.concatenate([part, np.repeat(part[-1:], BATCH - len(part), axis=0)])
            yield filled, labels[start : start + BATCH]


def _session(model: onnx.ModelProto) -> Any:
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
