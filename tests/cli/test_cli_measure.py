"""``nas measure``, as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from nas.latency.kit.graphs import network_model
from nas.network import reference_network
from tests.conftest import Outcome

Nas = Callable[..., Outcome]


def write(path: Path, *, width: float = 0.25) -> Path:
    network = reference_network("mobilenet_v2_cifar", width=width, resolution=16, classes=10)
    onnx.save(network_model(network, rng=np.random.default_rng(0)), path)
    return path


def read(folder: Path) -> dict:
    [path] = folder.rglob("measured.json")
    return json.loads(path.read_text())


def test_files_are_measured_and_compared(nas: Nas, own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(own_folder / "cache"))  # other tests have measured here, too
    write(own_folder / "small.onnx")
    write(own_folder / "large.onnx", width=1.0)
    first = nas("measure", "measure.files=[small.onnx,large.onnx]", "measure.budget=5s")
    assert first.code == 0, first.err
    assert "no earlier measurement on this machine shows its usual speed" in first.out
    content = read(own_folder)
    small, large = content["files"]
    assert (small["file"], large["file"]) == ("small.onnx", "large.onnx")
    assert small["low"] <= small["value"] <= small["high"]
    assert large["ratio"]["low"] > 1.5
    assert content["device"]["machine"] and content["device"]["runtime_version"]
    assert not list(own_folder.rglob("*.partial")), "raw samples go when all are taken"


def test_the_usual_speed_is_remembered(nas: Nas, own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.hardware import Device
    from nas.latency.measure.usual_speed import remember

    monkeypatch.setenv("XDG_CACHE_HOME", str(own_folder / "cache"))
    write(own_folder / "a.onnx")
    device = Device(name="x").here()
    remember(device, {"reference-small": 1e-4, "reference-large": 1e-3})  # nothing is as fast
    outcome = nas("measure", "measure.files=[a.onnx]", "measure.budget=3s")
    assert outcome.code == 0, outcome.err
    assert "warning: disturbed: " in outcome.out
    assert "times their usual latency" in outcome.out
    assert read(own_folder)["slowdown"] > 2


def test_a_damaged_memory_is_no_memory(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.hardware import Device
    from nas.latency.measure.usual_speed import remember, usual_ms

    monkeypatch.setenv("XDG_CACHE_HOME", str(own_folder / "cache"))
    device, other = Device(name="x").here(), Device(name="x", precision="int8").here()
    for ms in (1.0, 5.0, 2.0):
        remember(device, {"reference-small": ms})
    assert usual_ms(device) == {"reference-small": 2.0}
    assert usual_ms(other) == {}
    [path] = (own_folder / "cache").rglob("*.json")
    for text in ("", "[]", '{"latencies_ms": [{"a": "x"}]}', '{"latencies_ms": 3}'):
        path.write_text(text)
        assert usual_ms(device) == {}
    remember(device, {"reference-small": 1.0})
    assert usual_ms(device) == {"reference-small": 1.0}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "bad.onnx is not an ONNX model (it has no operators)"),
        (b"no model at all", "bad.onnx is not an ONNX model"),
        (None, "bad.onnx does not exist; name an existing .onnx file"),
    ],
)
def test_a_file_that_is_no_model_is_named_before_anything_is_measured(
    nas: Nas, own_folder: Path, content: bytes | None, message: str
) -> None:
    write(own_folder / "good.onnx")
    if content is not None:
        (own_folder / "bad.onnx").write_bytes(content)
    outcome = nas("measure", "measure.files=[good.onnx,bad.onnx]")
    assert outcome.code == 2
    assert message in outcome.err
    assert not (own_folder / "runs").exists()


def test_all_faulty_files_are_named(nas: Nas, own_folder: Path) -> None:
    whole = write(own_folder / "good.onnx").read_bytes()
    (own_folder / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    outcome = nas("measure", "measure.files=[missing.onnx,good.onnx,cut.onnx]")
    assert outcome.code == 2
    assert "2 of 3 files cannot be measured:" in outcome.err
    assert "missing.onnx does not exist" in outcome.err and "cut.onnx is not an ONNX model" in outcome.err


def test_settings_that_say_nothing_are_refused(nas: Nas, own_folder: Path) -> None:
    assert "measure.files is empty; name the files" in nas("measure").err
    assert "names a.onnx twice" in nas("measure", "measure.files=[a.onnx,a.onnx]").err


def open_model(path: Path) -> None:
    """A convolution whose image has any size, as many exporters write it."""
    shape = ["batch", 3, "height", "width"]
    weights = helper.make_tensor("w", TensorProto.FLOAT, [4, 3, 3, 3], np.ones(108, np.float32))
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, "h", "w"])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)


def test_open_sizes_are_given_by_name(nas: Nas, own_folder: Path) -> None:
    open_model(own_folder / "open.onnx")
    outcome = nas("measure", "measure.files=[open.onnx]")
    assert outcome.code == 2
    assert "the input x leaves the size height open; give it: measure.sizes={height: 224}" in outcome.err
    sizes = "measure.sizes={height: 32, width: 32}"
    assert nas("measure", "measure.files=[open.onnx]", sizes, "measure.budget=2s").code == 0


def test_a_kit_of_files_is_measured_elsewhere_and_shown_here(nas: Nas, own_folder: Path) -> None:
    write(own_folder / "a.onnx")
    made = nas("kit", "kit.files=[a.onnx]", "measure.budget=2s", "run_dir=k")
    assert made.code == 0, made.err
    command = [sys.executable, "k/kit/measure.pyz", "k/kit", "there.json"]
    subprocess.run(command, check=True, capture_output=True, cwd=own_folder)
    outcome = nas("measure", "measure.result=there.json")
    assert outcome.code == 0, outcome.err
    assert "a.onnx" in outcome.out
    assert "of a kit for a latency table" not in outcome.err
