"""``tensorrt``: what builds an engine of TensorRT on the target, and the engine where the target is here.

Engines depend on the GPU and on TensorRT's version. Without both, the ONNX file is run by ONNX Runtime: that
checks the file, not TensorRT's arithmetic.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from typing import ClassVar, final

from nas.deploy.formats import CannotRunError, Format, Predict, Source, in_batches, register
from nas.deploy.formats.onnx import Onnx, open_onnx
from nas.deploy.interface import INPUT
from nas.deploy.isolated import convert, predict_apart
from nas.files import atomic_folder, write_text
from nas.latency.kit.packing import pack_runner
from nas.runner.errors import RunnerError
from nas.runner.nvidia.build import main
from nas.runner.nvidia.cuda import open_cuda
from nas.runner.nvidia.engine import LIBRARIES, Engine, EngineBuilder, import_library, read_own

MODEL, ENGINE, BUILDER, SCRIPT = "model.onnx", "model.engine", "build.pyz", "build.sh"
_CHECKED_FOR = "8.6"
"""The compute capability that TensorRT-RTX, which needs no GPU to build, tries a file for."""

USAGE = """\
# sh FILE/build.sh builds model.engine; pip install tensorrt torch
import tensorrt
import torch

engine = open("FILE/model.engine", "rb").read()  # it contains code: load only what you have built yourself
runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.ERROR))
context = runtime.deserialize_cuda_engine(engine).create_execution_context()
x = torch.from_numpy(images).cuda()
context.set_input_shape("images", tuple(x.shape))
outputs = torch.empty(tuple(context.get_tensor_shape("logits")), device="cuda")
context.set_tensor_address("images", x.data_ptr())
context.set_tensor_address("logits", outputs.data_ptr())
context.execute_async_v3(torch.cuda.current_stream().cuda_stream)
logits = outputs.cpu().numpy()
"""

_BUILD = """\
#!/bin/sh
# Builds {engine} from {model} with TensorRT 10 or later, on the GPU that will run it.
# More options: --tf32. The same by NVIDIA's program:
#   trtexec --onnx={model} --saveEngine={engine} --stronglyTyped --noTF32{shapes}
set -eu
cd "$(dirname "$0")"
exec python3 {builder} {model} {engine} --batch {batch} "$@"
"""


class TensorRtFolder(Format):
    """A folder with an ONNX file, ``build.sh`` and, where TensorRT and a GPU are here, ``model.engine``.

    Attributes:
        ONNX: The format of the ONNX file.
    """

    ONNX: ClassVar[type[Format]]
    PACKAGES: ClassVar[tuple[str, ...]] = Onnx.PACKAGES
    LIBRARY: ClassVar[str] = "tensorrt"
    USAGE: ClassVar[str] = USAGE

    def write(self, source: Source, path: Path) -> None:
        log = source.logs / f"{path.name}.log"
        with atomic_folder(path) as folder:
            self.ONNX().write(_symmetric(source), folder / MODEL)
            pack_runner(folder / BUILDER, module="nvidia.build")
            write_text(folder / SCRIPT, _script(source))
            (folder / SCRIPT).chmod(0o755)
            batch = source.batch or 1
            if builds_here():
                convert(build_engine, folder / MODEL, folder / ENGINE, batch, log=log)
            elif _has("tensorrt_rtx"):
                convert(check_with_rtx, folder / MODEL, batch, log=log)

    def open(self, path: Path) -> Predict:
        return predict_apart(load, path) if (path / ENGINE).is_file() else open_onnx(path / MODEL)

    def note(self, path: Path) -> str:
        if (path / ENGINE).is_file():
            parts = ["the engine is for this GPU and this version of TensorRT"]
        else:
            parts = [
                f"the engine has to be built on the target: sh {path.name}/{SCRIPT}",
                "accuracy and parity are those of its ONNX file in ONNX Runtime",
            ]
            if _has("tensorrt_rtx"):
                parts.append("TensorRT-RTX reads and builds it, which is no proof for TensorRT")
        own = self.ONNX().note(path / MODEL)
        return "; ".join([*parts, *([own] if own else [])])


@final
@register
class TensorRt(TensorRtFolder):
    """TensorRT in FP32."""

    NAME: ClassVar[str] = "tensorrt"
    SUMMARY: ClassVar[str] = "TensorRT in FP32; the engine is built on the target"
    SUFFIX: ClassVar[str] = ".tensorrt"
    TOLERANCE: ClassVar[float] = 1e-3
    ONNX: ClassVar[type[Format]] = Onnx


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def builds_here() -> bool:
    """Returns whether TensorRT, or TensorRT-RTX, and a GPU are here, which builds and runs engines."""
    import torch

    return any(_has(name) for name in LIBRARIES) and torch.cuda.is_available()


def build_engine(model: str, engine: str, batch: int) -> None:
    """Builds an engine, as ``build.pyz`` does."""
    if main([model, engine, "--batch", str(batch)]):
        raise RuntimeError("TensorRT has built no engine")


def check_with_rtx(model: str, batch: int) -> None:
    """Builds an engine for another GPU with TensorRT-RTX, and throws it away: the file is well-formed."""
    builder = EngineBuilder(import_library(["tensorrt_rtx"]), capability=_CHECKED_FOR)
    builder.build(Path(model), batch=batch)


def load(path: Path) -> Predict:
    """Loads the engine of a folder that this user has built.

    Raises:
        CannotRunError: If another user has built it, or there is no TensorRT or GPU.
    """
    try:
        engine = Engine(import_library(), open_cuda(), read_own(path / ENGINE))
    except RunnerError as error:
        raise CannotRunError(str(error)) from None
    return in_batches(engine.run, engine.batch)


def _symmetric(source: Source) -> Source:
    """The source with INT8 in TensorRT's scheme: symmetric activations."""
    return dataclasses.replace(source, int8=dataclasses.replace(source.int8, target="tensorrt"))


def _script(source: Source) -> str:
    network = source.model.network
    image = f"{network.input_channels}x{network.resolution}x{network.resolution}"
    return _BUILD.format(
        model=MODEL,
        engine=ENGINE,
        builder=BUILDER,
        batch=source.batch or 1,
        shapes="" if source.batch else f" --shapes={INPUT}:1x{image}",
    )
