"""TensorRT's calls, against the names in NVIDIA's published bindings; a GPU runs them in the runtimes' suite.

``tensorrt_names/`` holds the names of TensorRT 10 and 11, as ``record.py`` there reads them off the bindings.
"""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from nas.hardware import Device
from nas.latency.kit.graphs import network_model
from nas.latency.kit.precision import in_precision
from nas.runner.errors import RunnerError
from nas.runner.nvidia import build
from nas.runner.nvidia import cuda as cuda_module
from nas.runner.nvidia.cuda import Cuda, open_cuda
from nas.runner.nvidia.engine import Engine, read_own
from nas.runner.runtimes import open_runtime
from nas.runner.runtimes import tensorrt as runtime_module
from nas.space import SearchSpace

RETURNS = {
    "Builder.build_serialized_network": "IHostMemory",
    "Builder.create_builder_config": "IBuilderConfig",
    "Builder.create_network": "INetworkDefinition",
    "Builder.create_optimization_profile": "IOptimizationProfile",
    "IBuilderConfig.create_timing_cache": "ITimingCache",
    "IBuilderConfig.get_timing_cache": "ITimingCache",
    "ICudaEngine.create_execution_context": "IExecutionContext",
    "INetworkDefinition.get_input": "ITensor",
    "Runtime.deserialize_cuda_engine": "ICudaEngine",
}
PROPERTIES = {
    "ICudaEngine.num_io_tensors": 1,
    "INetworkDefinition.num_inputs": 1,
    "ITensor.name": "input",
    "ITensor.shape": (-1, 3, 8, 8),
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED": 3,
    "OnnxParser.num_errors": 1,
}
VALUES = {
    "ICudaEngine.get_tensor_dtype": "DataType.HALF",
    "ICudaEngine.get_tensor_mode": "TensorIOMode.INPUT",
    "ICudaEngine.get_tensor_name": "input",
    "ICudaEngine.get_tensor_shape": (-1, 3, 8, 8),
    "IExecutionContext.execute_async_v3": True,
    "IExecutionContext.get_tensor_shape": (4, 3, 8, 8),
    "ITimingCache.serialize": b"cache",
    "OnnxParser.parse": True,
}


def recorded(major: int) -> set[str]:
    text = (Path(__file__).parent / "tensorrt_names" / f"{major}.txt").read_text(encoding="utf-8")
    return {line for line in text.splitlines() if not line.startswith("#")}


class Fake:
    """Something of TensorRT: it has the recorded names and no others, and notes what is called.

    Args:
        path: Its name in the bindings, e.g. ``"Builder.create_network"``; empty for the module.
        names: All recorded names.
        values: What calls give that give no object, or a function of their arguments.
        calls: What was called, with its arguments.
    """

    def __init__(self, path, names, values, calls):
        self.__dict__.update(path_=path, names_=names, values_=values, calls_=calls)

    def check_(self, name):
        path = f"{self.path_}.{name}".lstrip(".")
        if path not in self.names_:
            raise AttributeError(f"TensorRT's bindings have no {path}")
        return path

    def make_(self, path):
        return Fake(path, self.names_, self.values_, self.calls_)

    def __getattr__(self, name):
        if name in ("__name__", "__version__"):
            return self.values_[name]
        path = self.check_(name)
        if path == "IProfiler":
            return FakeProfiler
        return PROPERTIES[path] if path in PROPERTIES else self.make_(path)

    def __setattr__(self, name, value):
        self.calls_.append((self.check_(name), value))

    def __call__(self, *arguments):
        self.calls_.append((self.path_, arguments))
        if self.path_ in self.values_:
            value = self.values_[self.path_]
            return value(*arguments) if callable(value) else value
        if self.path_ in RETURNS:
            return self.make_(RETURNS[self.path_])
        return self.make_(self.path_) if "." not in self.path_ else None

    def __eq__(self, other):
        return self.path_ == other or (isinstance(other, Fake) and self.path_ == other.path_)

    def __hash__(self):
        return hash(self.path_)


class FakeProfiler:
    def report_layer_time(self, layer_name, ms):
        raise NotImplementedError


class FakeCuda(Cuda):
    def __init__(self):
        self.launches, self.uploaded, self.captured = 0, [], 0

    @property
    def stream(self):
        return 7

    def upload(self, array):
        self.uploaded.append(array)
        return array, 4096

    def download(self, memory):
        return memory

    def capture(self, launch):
        launch()
        self.captured += 1
        return lambda: None

    def elapsed_s(self, launch, runs):
        for _ in range(runs):
            launch()
        return runs * 1e-3

    def synchronize(self):
        pass


class Bench:
    def __init__(self, major, monkeypatch, values=(), names=()):
        self.calls, self.cuda = [], FakeCuda()
        allowed = recorded(major) | set(names)
        given = {**VALUES, "__name__": "tensorrt", "__version__": f"{major}.0", **dict(values)}
        library = Fake("", allowed, given, self.calls)
        monkeypatch.setitem(sys.modules, "tensorrt", library)
        monkeypatch.setattr(runtime_module, "open_cuda", lambda: self.cuda)

    def called(self, path):
        return [arguments for name, arguments in self.calls if name == path]


@pytest.fixture(params=[10, 11])
def major(request):
    return request.param


@pytest.fixture
def model(tmp_path):
    space = SearchSpace.load("tiny_32")
    network = network_model(space.network(space.smallest()), rng=np.random.default_rng(0))
    device = Device(name="x", runtime="tensorrt", precision="fp16")
    onnx.save(in_precision(network, device=device), str(tmp_path / "model.onnx"))
    return tmp_path / "model.onnx"


def device(**fields):
    return Device(
        name="x", runtime="tensorrt", provider="", batch=4, **{"precision": "fp16", **fields}
    ).to_dict()


def test_every_call_has_a_name_in_the_bindings(major, monkeypatch, model):
    bench = Bench(major, monkeypatch)
    runtime = open_runtime(device())
    assert runtime.version == f"{major}.0"
    assert runtime.open(model).time(5) == pytest.approx(5e-3)
    runtime.profile(model)
    assert bench.called("Builder.create_network") == [(1 << 3,)] * 2
    assert bench.called("OnnxParser.parse")[0] == (model.read_bytes(),)
    assert bench.called("IExecutionContext.execute_async_v3")[0] == (7,)
    assert bench.called("IExecutionContext.set_tensor_address")[0] == ("input", 4096)


def test_an_open_batch_becomes_the_device_s(major, monkeypatch, model):
    bench = Bench(major, monkeypatch)
    open_runtime(device()).open(model)
    shape = (4, 3, 8, 8)
    assert bench.called("IOptimizationProfile.set_shape") == [("input", shape, shape, shape)]
    assert bench.called("IExecutionContext.set_input_shape") == [("input", shape)]
    (array,) = bench.cuda.uploaded
    assert (array.shape, array.dtype) == (shape, np.float16)


def test_tf32_is_used_where_it_was_asked_for_and_nowhere_else(major, monkeypatch, model):
    for precision, call in (("tf32", "set_flag"), ("fp32", "clear_flag"), ("fp16", "clear_flag")):
        bench = Bench(major, monkeypatch)
        open_runtime(device(precision=precision)).open(model)
        (flags,) = bench.called(f"IBuilderConfig.{call}")
        assert flags == ("BuilderFlag.TF32",)


def test_a_network_is_one_launch_unless_graphs_are_off(major, monkeypatch, model):
    bench = Bench(major, monkeypatch)
    open_runtime(device()).open(model)
    open_runtime(device(provider_options={"cuda_graph": False, "optimization_level": 5})).open(model)
    assert bench.cuda.captured == 1
    assert bench.called("IBuilderConfig.builder_optimization_level") == [3, 5]


def test_all_engines_share_one_timing_cache_which_outlives_the_process(major, monkeypatch, model):
    bench = Bench(major, monkeypatch)
    runtime = open_runtime(device())
    runtime.open(model)
    runtime.open(model)
    open_runtime(device()).open(model)
    assert bench.called("IBuilderConfig.create_timing_cache") == [(b"",), (b"cache",)]
    assert len(bench.called("IBuilderConfig.set_timing_cache")) == 3
    assert (model.parent / f"tensorrt-{major}.0.cache").read_bytes() == b"cache"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"OnnxParser.parse": False, "OnnxParser.get_error": "no Tan"},
            r"tensorrt cannot read .*model\.onnx: no Tan",
        ),
        ({"Builder.build_serialized_network": None}, r"cannot build an engine for .*model\.onnx"),
        ({"Runtime.deserialize_cuda_engine": None}, r"cannot build an engine for .*model\.onnx"),
        ({"IExecutionContext.execute_async_v3": False}, "could not run an engine that it had built"),
    ],
)
def test_what_tensorrt_cannot_do_is_an_error(major, monkeypatch, model, values, message):
    Bench(major, monkeypatch, values)
    with pytest.raises(RunnerError, match=message):
        open_runtime(device()).open(model)


def test_an_old_version_and_an_unknown_option_are_errors(monkeypatch):
    Bench(10, monkeypatch)
    with pytest.raises(
        RunnerError, match="tensorrt has no option 'fp16'; allowed: cuda_graph, optimization_level"
    ):
        open_runtime(device(provider_options={"fp16": True}))
    bench = Bench(10, monkeypatch)
    sys.modules["tensorrt"].names_.remove("NetworkDefinitionCreationFlag.STRONGLY_TYPED")
    with pytest.raises(
        RunnerError, match=r"TensorRT 10\.0 has no strongly typed networks; pip install 'tensorrt>=10'"
    ):
        open_runtime(device())
    assert bench.calls == []


def test_the_fake_refuses_unknown_names(major, monkeypatch):
    Bench(major, monkeypatch)
    library = sys.modules["tensorrt"]
    config = library.Builder(None).create_builder_config()
    for refused in (
        lambda: library.Volume,
        lambda: config.max_workspace_size,
        lambda: setattr(config, "profiling_level", 1),
        lambda: library.BuilderFlag.FP17,
    ):
        with pytest.raises(AttributeError, match="TensorRT's bindings have no"):
            refused()
    if major == 11:
        with pytest.raises(AttributeError, match=r"no BuilderFlag\.FP16"):
            _ = library.BuilderFlag.FP16


def test_the_builder_writes_an_engine(major, monkeypatch, model, tmp_path, capsys):
    bench = Bench(major, monkeypatch, {"Builder.build_serialized_network": b"plan"})
    engine = tmp_path / "model.engine"
    assert build.main([str(model), str(engine), "--batch", "2"]) == 0
    assert engine.read_bytes() == b"plan"
    assert f"wrote {engine}, 0 kB, for tensorrt {major}.0" in capsys.readouterr().err
    assert bench.called("IOptimizationProfile.set_shape")[0][1] == (2, 3, 8, 8)
    assert bench.called("IBuilderConfig.clear_flag") == [("BuilderFlag.TF32",)]
    assert bench.called("IBuilderConfig.create_timing_cache") == []
    assert build.main([str(model), str(engine), "--tf32"]) == 0
    assert bench.called("IBuilderConfig.set_flag") == [("BuilderFlag.TF32",)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.engine", "model.onnx"]


def test_what_the_builder_cannot_do_is_one_line(major, monkeypatch, model, tmp_path, capsys):
    Bench(major, monkeypatch, {"Builder.build_serialized_network": None})
    engine = tmp_path / "model.engine"
    for arguments, message in (
        ([str(model), str(engine)], "tensorrt cannot build an engine for"),
        ([str(model), str(engine), "--compute-capability", "8.6"], "for this machine's GPU only"),
        ([str(tmp_path / "no.onnx"), str(engine)], "no.onnx (No such file or directory)"),
    ):
        assert build.main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and message in error and error.count("\n") == 1
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    assert build.main([str(model), str(engine)]) == 2
    assert "tensorrt is not installed here; pip install tensorrt" in capsys.readouterr().err
    assert not engine.exists()


TENSORS = {
    "ICudaEngine.get_tensor_name": lambda i: ("images", "logits")[i],
    "ICudaEngine.get_tensor_mode": lambda name: f"TensorIOMode.{'IN' if name == 'images' else 'OUT'}PUT",
    "ICudaEngine.get_tensor_profile_shape": ((4, 3, 8, 8),) * 3,
    "IExecutionContext.get_tensor_shape": (4, 10),
}


def test_an_engine_runs_images(major, monkeypatch):
    bench = Bench(major, monkeypatch, TENSORS)
    monkeypatch.setitem(PROPERTIES, "ICudaEngine.num_io_tensors", 2)
    engine = Engine(sys.modules["tensorrt"], bench.cuda, b"plan")
    assert engine.batch == 4
    images = np.ones((4, 3, 8, 8), np.float32)
    assert engine.run(images).shape == (4, 10)
    assert bench.called("Runtime.deserialize_cuda_engine") == [(b"plan",)]
    assert bench.called("IExecutionContext.set_input_shape") == [("images", (4, 3, 8, 8))]
    assert bench.called("IExecutionContext.set_tensor_address") == [("images", 4096), ("logits", 4096)]
    assert bench.called("IExecutionContext.execute_async_v3") == [(7,)]
    assert bench.cuda.uploaded[0] is images


def test_an_engine_of_others_is_not_loaded(tmp_path):
    path = tmp_path / "model.engine"
    path.write_bytes(b"plan")
    path.chmod(0o644)
    assert read_own(path) == b"plan"
    path.chmod(0o666)
    with pytest.raises(
        RunnerError, match=r"or others may write to it, and an engine contains code; build it"
    ):
        read_own(path)


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can give a file away")
def test_another_user_s_engine_is_not_loaded(tmp_path):
    path = tmp_path / "model.engine"
    path.write_bytes(b"plan")
    os.chown(path, 12345, -1)
    with pytest.raises(RunnerError, match="belongs to another user"):
        read_own(path)


def test_a_library_for_memory_is_named_where_none_is_there(monkeypatch):
    for name in ("torch", "cuda", "cuda.bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RunnerError, match=r"needs cuda-python or torch .*; pip install cuda-python"):
        open_cuda()


def test_cuda_python_has_what_is_called():
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="pip install cuda-python would run this")
    tree = ast.parse(Path(cuda_module.__file__).read_text(encoding="utf-8"))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("cuda")
    }
    members = {"cudaSuccess": "cudaError_t", "cudaMemcpyHostToDevice": "cudaMemcpyKind"}
    members["cudaMemcpyDeviceToHost"] = "cudaMemcpyKind"
    members["cudaStreamCaptureModeThreadLocal"] = "cudaStreamCaptureMode"
    functions = used - set(members) - {"cuda_stream"}
    assert len(functions) > 10
    assert [name for name in functions if not hasattr(runtime, name)] == []
    assert [name for name, kind in members.items() if not hasattr(getattr(runtime, kind), name)] == []


def test_a_machine_without_a_gpu_says_so():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU; a machine without one would run this")
    with pytest.raises(RunnerError, match=r"CUDA failed with cudaError|torch finds no GPU"):
        open_cuda()
