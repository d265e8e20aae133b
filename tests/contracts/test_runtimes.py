"""What every runtime keeps to; a new one joins by its file, and by a device in ``DEVICES``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest

from nas.hardware import Device, installed_version
from nas.latency.kit.graphs import network_model
from nas.latency.kit.kit import write_kit
from nas.latency.kit.precision import in_precision
from nas.latency.plan.entries import KitNetwork
from nas.latency.plan.probes import plan_probes
from nas.network import reference_network
from nas.runner.errors import RunnerError
from nas.runner.measure import measure_kit
from nas.runner.protocol import Protocol
from nas.runner.runtimes import Runtime, needs_process, open_runtime, runtimes, takes_turns
from nas.runner.samples import read_samples
from nas.space import SearchSpace

DEVICES = {
    "onnxruntime": Device(name="x", runtime="onnxruntime", provider="CPUExecutionProvider"),
    "openvino": Device(name="x", runtime="openvino", provider="CPU"),
    "tensorrt": Device(name="x", runtime="tensorrt", provider="", precision="fp16"),
    "torch": Device(name="x", runtime="torch", provider="cpu"),
}
NEEDS_GPU = {"tensorrt"}
ROOT = Path(__file__).resolve().parents[2]
QUICK = Protocol(sample_ms=0.05, samples=2, min_rounds=2, max_rounds=2)

# Every kind of operation occurs in these spaces.
SPACES = ("mixed_32", "cell")


def require(name: str) -> None:
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed; pip install {name} would run this")


@pytest.fixture(params=[pytest.param(n, marks=pytest.mark.gpu) if n in NEEDS_GPU else n for n in runtimes()])
def device(request: pytest.FixtureRequest) -> Device:
    require(request.param)
    return DEVICES[request.param]


@pytest.fixture
def runtime(device: Device) -> Runtime:
    return open_runtime(device.to_dict())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def model_of(space: str, folder: Path, device: Device) -> Path:
    path = folder / f"{space}-{device.runtime}-{device.precision}.onnx"
    if not path.exists():
        chosen, rng = SearchSpace.load(space), np.random.default_rng(1)
        network = chosen.network(chosen.sample(rng), classes=10)
        onnx.save(in_precision(network_model(network, rng=rng), device=device), str(path))
    return path


@pytest.mark.parametrize("space", SPACES)
def test_a_network_is_timed(runtime: Runtime, device: Device, space: str, folder: Path) -> None:
    model = runtime.open(model_of(space, folder, device))
    few, many = (min(model.time(runs) for _ in range(5)) for runs in (2, 20))
    model.close()
    assert 0 < few < many


REPORTS = """
import json, os, sys
from pathlib import Path
hosts = []
sys.addaudithook(lambda event, about: hosts.append(str(about[0])) if event == "socket.getaddrinfo" else None)
count_threads = lambda: len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 0
import numpy
threads = count_threads()
from nas.runner.runtimes import open_runtime
open_runtime(json.loads(sys.argv[1])).open(Path(sys.argv[2])).time(2)
print(json.dumps({"hosts": hosts, "threads": count_threads() - threads}))
"""


def test_a_runtime_reports_to_nobody(device: Device, folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", REPORTS, json.dumps(device.to_dict()), model_of("cell", folder, device)]
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["hosts"] == []
    assert list(tmp_path.iterdir()) == []
    if device.runtime == "onnxruntime":
        assert seen["threads"] == 0


@pytest.mark.parametrize("package", ["nas", "nas.runner"])
def test_a_setting_of_ones_own_for_the_reports_of_onnxruntime_is_respected(package: str) -> None:
    code = f"import os, {package}; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = os.environ | {"ORT_DISABLE_TELEMETRY": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "0\n"


@pytest.mark.parametrize("name", ["onnxruntime", "openvino", "torch"])
def test_chains_take_turns_on_a_cpu_alone(name: str) -> None:
    device = DEVICES[name].to_dict()
    assert takes_turns(device)
    assert not takes_turns({**device, "provider": "a GPU"})
    assert not takes_turns({**device, "runtime": "of a phone"})


def test_several_threads_that_sessions_share_need_a_process_of_their_own() -> None:
    device = DEVICES["onnxruntime"].to_dict()
    assert needs_process({**device, "threads": 2}) and takes_turns({**device, "threads": 2})
    assert not needs_process(device)
    assert not needs_process({**device, "threads": 2, "provider": "a GPU"})
    assert not needs_process({**device, "threads": 2, "runtime": "of a phone"})


def test_what_costs_more_takes_longer(runtime: Runtime, device: Device, folder: Path) -> None:
    tiny = runtime.open(model_of("tiny_32", folder, device))
    network = reference_network("mobilenet_v1", resolution=128)  # 30 times the work of the largest of tiny_32
    path = folder / f"large-{device.runtime}-{device.precision}.onnx"
    onnx.save(in_precision(network_model(network, rng=np.random.default_rng(1)), device=device), str(path))
    large = runtime.open(path)
    assert min(tiny.time(5) for _ in range(5)) < min(large.time(5) for _ in range(5))


def test_a_profile_names_operators(runtime: Runtime, device: Device, folder: Path) -> None:
    profile = runtime.profile(model_of("mixed_32", folder, device))
    assert any("conv" in name.lower() for name, _ in profile)
    assert all(us >= 0 for _, us in profile) and sum(us for _, us in profile) > 0


def test_the_version_is_that_of_the_package(runtime: Runtime, device: Device) -> None:
    """A device names the package's version, and a kit is refused where another is found."""
    assert runtime.version.startswith(installed_version(device.runtime))


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x0a\x3a\x05abc"])
def test_a_file_that_is_no_model_is_an_error(runtime: Runtime, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(RunnerError, match=r"bad\.onnx"):
        runtime.open(tmp_path / "bad.onnx")


def test_a_kit_is_measured(device: Device, tmp_path: Path) -> None:
    space = SearchSpace.load("tiny_32")
    network = space.network(space.smallest(), classes=10)
    kit = write_kit(
        tmp_path / "kit",
        device=device,
        probes=plan_probes(network.blocks[:2], input_channels=3),
        networks=[KitNetwork("network-0", "validation", network)],
        protocol=QUICK,
    )
    measure_kit(kit.folder, tmp_path / "samples.jsonl")
    windows = read_samples(tmp_path / "samples.jsonl")[1]
    assert {window.entry for window in windows} == {entry["id"] for entry in kit.entries}


@pytest.mark.parametrize("name", runtimes())
def test_a_missing_library_names_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RunnerError, match=f"{name} is not installed here; pip install {name}"):
        open_runtime(DEVICES[name].to_dict())


@pytest.mark.parametrize("name", [name for name in runtimes() if DEVICES[name].provider])
def test_a_missing_provider_is_an_error_that_names_the_others(name: str) -> None:
    require(name)
    with pytest.raises(RunnerError, match=rf"'abacus'.*{DEVICES[name].provider}"):
        open_runtime({**DEVICES[name].to_dict(), "provider": "abacus"})


@pytest.mark.parametrize("name", runtimes())
def test_a_precision_that_it_does_not_run_is_an_error(name: str) -> None:
    with pytest.raises(RunnerError, match=f"{name} runs no fp8 here; choose device.precision from fp32"):
        open_runtime({**DEVICES[name].to_dict(), "precision": "fp8"})


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_int8_models_are_run(name: str, folder: Path) -> None:
    require(name)
    device = Device.from_dict({**DEVICES[name].to_dict(), "precision": "int8"})
    runtime, path = open_runtime(device.to_dict()), model_of("mixed_32", folder, device)
    assert runtime.open(path).time(2) > 0
    convolutions = [name for name, _ in runtime.profile(path) if "conv" in name.lower()]
    assert convolutions
    assert all("QLinearConv" in name or "I8" in name or "int8" in name.lower() for name in convolutions)


def test_openvino_never_computes_in_another_precision_silently(folder: Path) -> None:
    require("openvino")
    import openvino

    if "FP16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor computes in FP16; one that does not would run this")
    device = Device(name="x", runtime="openvino", provider="CPU", precision="fp16")
    with pytest.raises(
        RunnerError, match=r"in (f32|bf16), not in f16, on this machine; choose another device\.precision"
    ):
        open_runtime(device.to_dict()).open(model_of("tiny_32", folder, device))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"provider_options": {"graph": True}},
            "torch has no option 'graph'; allowed: channels_last, cuda_graph",
        ),
        ({"provider_options": {"cuda_graph": True}}, "CUDA graphs and tf32 on GPUs only"),
        ({"precision": "tf32"}, "CUDA graphs and tf32 on GPUs only"),
    ],
)
def test_torch_refuses_what_it_cannot_do(fields: dict[str, object], message: str) -> None:
    with pytest.raises(RunnerError, match=message):
        open_runtime({**DEVICES["torch"].to_dict(), **fields})


def test_onnxruntime_has_tf32_on_cuda_only() -> None:
    with pytest.raises(RunnerError, match="onnxruntime has tf32 with CUDAExecutionProvider only"):
        open_runtime({**DEVICES["onnxruntime"].to_dict(), "precision": "tf32"})


@pytest.mark.parametrize(
    ("provider", "precision", "message"),
    [
        ("CUDAExecutionProvider", "int8", "has no convolutions in int8 and would compute them in float"),
        ("TensorrtExecutionProvider", "fp32", "computes fp32 in tf32; set NVIDIA_TF32_OVERRIDE=0"),
    ],
)
def test_onnxruntime_never_computes_in_another_precision_silently(
    provider: str, precision: str, message: str
) -> None:
    with pytest.raises(RunnerError, match=message):
        open_runtime({**DEVICES["onnxruntime"].to_dict(), "provider": provider, "precision": precision})


def test_torch_without_a_gpu_says_so() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU; a machine without one would run this")
    with pytest.raises(RunnerError, match="torch finds no GPU here"):
        open_runtime({**DEVICES["torch"].to_dict(), "provider": "cuda"})


def test_torch_leaves_its_global_settings_as_they_were(folder: Path) -> None:
    import torch

    device = DEVICES["torch"]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        open_runtime(device.to_dict()).open(model_of("tiny_32", folder, device)).time(1)
        assert torch.get_num_threads() == 2
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    finally:
        torch.set_num_threads(before)


@pytest.mark.gpu
@pytest.mark.parametrize("options", [{}, {"cuda_graph": True}, {"cuda_graph": True, "channels_last": True}])
def test_torch_times_a_gpu(options: dict[str, bool], folder: Path) -> None:
    device = Device(
        name="x", runtime="torch", provider="cuda", precision="fp16", provider_options=tuple(options.items())
    )
    runtime, path = open_runtime(device.to_dict()), model_of("mixed_32", folder, device)
    assert runtime.open(path).time(20) > 0
    assert runtime.profile(path)
