"""Exported files in TensorRT-RTX, which builds without a GPU: an optional check that they are well-formed.

It is another product than TensorRT, so this proves nothing for TensorRT.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest

from nas.latency.kit.graphs import network_model
from nas.latency.kit.packing import pack_runner
from nas.quantization import quantize
from nas.space import SearchSpace

pytest.importorskip(
    "tensorrt_rtx", reason="pip install tensorrt-rtx-cu13 (291 MB, NVIDIA's licence) would run this"
)
pytestmark = pytest.mark.long


def write(path, precision):
    space, rng = SearchSpace.load("tiny_24"), np.random.default_rng(0)
    model = network_model(space.network(space.smallest()), rng=rng)
    if precision == "fp16":
        from onnxruntime.transformers.float16 import convert_float_to_float16

        model = convert_float_to_float16(model, keep_io_types=True)
    if precision == "int8":
        [images] = model.graph.input
        sizes = [size.dim_value or 1 for size in images.type.tensor_type.shape.dim]
        batches = [{images.name: rng.standard_normal(sizes).astype(np.float32)} for _ in range(4)]
        model = quantize(model, target="tensorrt", batches=batches)
    onnx.save(model, str(path))


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_file_parses_and_builds(precision, tmp_path):
    write(tmp_path / "model.onnx", precision)
    pack_runner(tmp_path / "build.pyz", module="nvidia.build")
    for capability in ("8.6", "8.9"):
        command = [
            sys.executable,
            "build.pyz",
            "model.onnx",
            "model.engine",
            "--compute-capability",
            capability,
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "model.engine").stat().st_size > 10_000
        assert f", compute capability {capability}" in done.stderr


def test_an_unknown_gpu_and_a_damaged_file_are_one_line(tmp_path):
    write(tmp_path / "model.onnx", "fp32")
    pack_runner(tmp_path / "build.pyz", module="nvidia.build")
    (tmp_path / "damaged.onnx").write_bytes((tmp_path / "model.onnx").read_bytes()[:100])
    for model, capability, message in (
        ("model.onnx", "9.9", "unknown compute capability '9.9'; allowed: 7.5, 8.0, 8.6"),
        ("damaged.onnx", "8.6", "tensorrt cannot read damaged.onnx"),
    ):
        command = [sys.executable, "build.pyz", model, "model.engine", "--compute-capability", capability]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert message in done.stderr
