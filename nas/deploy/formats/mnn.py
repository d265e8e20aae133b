"""``mnn``: a network for MNN, an inference engine for phones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from nas.deploy.formats import FloatImages, Format, Predict, Source, register
from nas.deploy.interface import INPUT, OUTPUT
from nas.deploy.isolated import convert, predict_apart
from nas.files import atomic


@final
@register
class Mnn(Format):
    """A ``.mnn`` file in FP32."""

    NAME: ClassVar[str] = "mnn"
    SUMMARY: ClassVar[str] = "MNN in FP32, for phones"
    SUFFIX: ClassVar[str] = ".mnn"
    PACKAGES: ClassVar[tuple[str, ...]] = ("onnx", "MNN")
    EXTRA: ClassVar[str] = "mobile"
    TOLERANCE: ClassVar[float] = 1e-3
    LIBRARY: ClassVar[str] = "mnn"
    USAGE: ClassVar[str] = """\
# pip install MNN
import MNN

network = MNN.nn.load_module_from_file("FILE", ["images"], ["logits"])
x = MNN.expr.placeholder(list(images.shape), MNN.expr.NCHW)
x.write(images)
[outputs] = network.onForward([x])
logits = np.array(MNN.expr.convert(outputs, MNN.expr.NCHW).read())
"""

    def write(self, source: Source, path: Path) -> None:
        with atomic(path) as temporary:
            convert(to_mnn, source.onnx, temporary, log=source.logs / f"{path.name}.log")

    def open(self, path: Path) -> Predict:
        return predict_apart(load, path)


def to_mnn(source: str, path: str) -> None:
    """Writes an ONNX file for MNN, by its converter.

    The library is called, not ``mnnconvert``: that installs packages and sends usage data.
    """
    import _tools
    import MNN  # noqa: F401  the library needs it

    _tools.mnnconvert(
        ["mnnconvert", "-f", "ONNX", "--modelFile", source, "--MNNModel", path, "--bizCode", "hwnas"]
    )
    if not Path(path).stat().st_size:
        raise RuntimeError("MNN's converter has written nothing")


def load(path: Path) -> Predict:
    """Loads a file into MNN."""
    import MNN

    if not path.stat().st_size:
        raise ValueError(f"{path} is empty")
    network: Any = MNN.nn.load_module_from_file(str(path), [INPUT], [OUTPUT])

    def predict(images: FloatImages) -> NDArray[np.float32]:
        x = MNN.expr.placeholder(list(images.shape), MNN.expr.NCHW)
        x.write(np.ascontiguousarray(images))
        [logits] = network.onForward([x])
        return np.array(MNN.expr.convert(logits, MNN.expr.NCHW).read(), np.float32)

    return predict
