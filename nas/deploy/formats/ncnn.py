"""``ncnn``: a network for ncnn, an inference engine for phones, with FP16 weights."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from nas.deploy.formats import FloatImages, Format, Predict, Source, register
from nas.deploy.isolated import convert, predict_apart
from nas.files import atomic_folder

PARAMETERS, WEIGHTS = "model.ncnn.param", "model.ncnn.bin"


@final
@register
class Ncnn(Format):
    """A folder with ``model.ncnn.param`` and ``model.ncnn.bin``; each inference takes one image."""

    NAME: ClassVar[str] = "ncnn"
    SUMMARY: ClassVar[str] = "ncnn with FP16 weights, for phones"
    SUFFIX: ClassVar[str] = ".ncnn"
    PRECISION: ClassVar[str] = "fp16"
    PACKAGES: ClassVar[tuple[str, ...]] = ("onnx", "ncnn", "pnnx")
    EXTRA: ClassVar[str] = "mobile"
    TOLERANCE: ClassVar[float] = 1e-2
    NOTE: ClassVar[str] = "the input is in0 (C, H, W), the output out0"
    LIBRARY: ClassVar[str] = "ncnn"
    USAGE: ClassVar[str] = """\
# pip install ncnn
import ncnn

network = ncnn.Net()
network.load_param("FILE/model.ncnn.param")
network.load_model("FILE/model.ncnn.bin")
extractor = network.create_extractor()
extractor.input("in0", ncnn.Mat(images[0]))
logits = np.array(extractor.extract("out0")[1])[None]
"""

    def write(self, source: Source, path: Path) -> None:
        with atomic_folder(path) as folder:
            convert(to_ncnn, source.onnx, folder, log=source.logs / f"{path.name}.log")

    def open(self, path: Path) -> Predict:
        return predict_apart(load, path)


def to_ncnn(source: str, path: str) -> None:
    """Writes an ONNX file for ncnn, by pnnx, which leaves other files beside its input."""
    import onnx
    import pnnx

    with tempfile.TemporaryDirectory() as folder:
        copy, model = Path(folder) / "model.onnx", onnx.load(source)
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = 1  # a batch of one, whatever the ONNX file has
        onnx.save(model, copy)
        shape = ",".join(str(size.dim_value) for size in model.graph.input[0].type.tensor_type.shape.dim)
        subprocess.run([pnnx.EXEC_PATH, copy.name, f"inputshape=[{shape}]"], cwd=folder, check=True)
        for name in (PARAMETERS, WEIGHTS):
            shutil.copyfile(copy.with_name(name), Path(path) / name)


def load(path: Path) -> Predict:
    """Loads the files of a folder into ncnn."""
    import ncnn

    network = ncnn.Net()
    for read, name in ((network.load_param, PARAMETERS), (network.load_model, WEIGHTS)):
        if read(str(path / name)) != 0:
            raise ValueError(f"ncnn cannot read {name}")

    def predict_one(image: FloatImages) -> NDArray[np.float32]:
        extractor = network.create_extractor()
        extractor.input("in0", ncnn.Mat(np.ascontiguousarray(image)))
        return np.array(extractor.extract("out0")[1], np.float32)

    return lambda images: np.stack([predict_one(image) for image in images])
