"""The accuracy of a network in INT8 without exporting it, because a search evaluates hundreds of networks.

The graph is written from the network's lowering and weights in milliseconds; tracing would take seconds. It
has the operations of the exported graph, gets its QDQ pairs from the same ``quantize``, and runs in ONNX
Runtime with the rounding of the exported file. A test checks that both graphs agree.
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
    """Evaluates the INT8 version of a network, run by ONNX Runtime on the CPU.

    Args:
        model: The network in evaluation mode, with calibrated BatchNorm statistics; on any device.
        calibration: Batches of training images (N, C, H, W) and labels, to calibrate the ranges.
        images: Batches of images (N, C, H, W) and labels to evaluate.
        target: One of ``nas.quantization.SCHEMES``; by default, this machine's.
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
    """Writes a network in ONNX with folded BatchNorm.

    Its input ``input`` is (batch, C, H, W), its output ``output`` (batch, classes).
    """
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
    """Uses trained weights, in the order of the operations, instead of the base's random ones."""

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
    """Yields batches of exactly ``BATCH`` images, padded with the last image, and labels without padding."""
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
