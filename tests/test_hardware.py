"""Devices and the roofline."""

import dataclasses
import re

import pytest

from nas.blocks import Shape
from nas.blocks.conv import ConvSpec
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT
from nas.errors import UserError
from nas.hardware import Device, boards, common_unit, describe_machine, detect, installed_version, roofline_ms
from nas.network import reference_network

DEVICE = Device(
    name="toy",
    provider_options={"b": 1, "a": "x"},
    peak_flops={"fp32": 1e9, "int8": 4e9},
    bandwidth_bytes_per_s=1e9,
    preferred_blocks=["conv"],
    sources={"peak_flops": "made up"},
)


def test_a_device_survives_json_and_is_hashable():
    assert Device.from_dict(DEVICE.to_dict()) == DEVICE
    assert DEVICE.provider_options == (("a", "x"), ("b", 1))
    assert hash(DEVICE) == hash(Device.from_dict(DEVICE.to_dict()))
    assert "bandwidth_bytes_per_s" not in Device(name="bare").to_dict()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "x", "thread": 2}, "unknown device field 'thread'; did you mean threads"),
        ({"threads": 2}, "a device needs a name"),
        ({"name": "x", "threads": 0}, "threads is 0; it must be a whole number of at least 1"),
        ({"name": "x", "precision": "fp23"}, "unknown precision of device 'x': 'fp23'; did you mean"),
        (
            {"name": "x", "provider_options": "fast"},
            "provider_options is 'fast'; it must map names to values",
        ),
    ],
)
def test_a_faulty_device_is_a_user_error(fields, message):
    with pytest.raises(UserError, match=message):
        Device.from_dict(fields)


def test_this_machine_is_described():
    found = detect()
    assert found["cores"] >= 1
    assert str(found["cpu"]) in describe_machine()


def test_here_fills_in_what_is_empty_and_refuses_another_version():
    here = Device(name="x").here()
    assert here.runtime_version == installed_version("onnxruntime")
    assert here.machine == describe_machine()
    assert here.here() == here
    with pytest.raises(UserError, match=r"is onnxruntime 0\.1, but .* is installed; install that version"):
        dataclasses.replace(here, runtime_version="0.1").here()


def test_a_runtime_that_is_unknown_or_not_installed(monkeypatch):
    known = "did you mean onnxruntime?; allowed: onnxruntime, openvino, tensorrt, torch. With any other"
    with pytest.raises(UserError, match=re.escape(known)):
        installed_version("onnxrutime")
    monkeypatch.setattr("nas.runner.runtimes.runtimes", lambda: ["no_such_runtime"])
    with pytest.raises(UserError, match="the runtime no_such_runtime is not installed here; pip install"):
        installed_version("no_such_runtime")


def test_a_board_is_here_if_something_here_is_called_so(monkeypatch):
    monkeypatch.setattr("nas.hardware.boards", lambda: [describe_machine(), "Raspberry Pi 4 Model B Rev 1.4"])
    Device(name="pi", board="raspberry pi 4").require_here()
    Device(name="any").require_here()
    with pytest.raises(UserError, match=r"device pi is Raspberry Pi 5, but this is .* with device\.board="):
        Device(name="pi", board="Raspberry Pi 5").require_here()
    with pytest.raises(UserError, match=r"device x is a phone, but this is .* with device\.machine="):
        Device(name="x", machine="a phone").require_here()


def test_a_latency_is_the_time_of_one_inference():
    assert Device(name="x").latency_unit == "ms"
    assert Device(name="x", batch=8).latency_unit == "ms per batch of 8"
    assert common_unit(["", "ms per batch of 8", "ms per batch of 8"]) == "ms per batch of 8"
    assert common_unit(["", "ms", "ms per batch of 8"]) == common_unit([]) == "ms"


def test_a_machine_says_what_it_is_called():
    assert describe_machine() in boards()
    assert "board" not in Device(name="any").to_dict()


def test_roofline_is_the_longer_of_computing_and_moving_for_each_operation():
    net = Lowering(Shape(8, 4, 4))
    net.activation(net.conv(INPUT, 8, role="conv", kernel=3), "relu")
    net.pool(1, mode="max", kernel=2, stride=2)
    conv = net.ops[0]
    compute_ms = 1e3 * 2 * conv.macs / 1e9
    pool_ms = 1e3 * 4 * (8 * 16 + 8 * 4) / 1e9
    assert roofline_ms(net.ops, device=DEVICE) == pytest.approx(compute_ms + pool_ms)
    relu_ms = 1e3 * 4 * (2 * 8 * 16) / 1e9
    assert roofline_ms(net.ops, device=DEVICE, fuse=False) == pytest.approx(compute_ms + relu_ms + pool_ms)


def test_a_shortcut_costs_its_reading_only_where_memory_is_the_bound():
    def bound_ms(*, residual, flops):
        net = Lowering(Shape(8, 4, 4))
        x = net.conv(INPUT, 8, role="conv", kernel=3)
        if residual:
            net.activation(net.add(x, INPUT), "relu")
        return roofline_ms(net.ops, device=dataclasses.replace(DEVICE, peak_flops={"fp32": flops}))

    assert bound_ms(residual=True, flops=1e9) == bound_ms(residual=False, flops=1e9)
    shortcut_ms = 1e3 * 4 * (8 * 16) / 1e9
    assert bound_ms(residual=True, flops=1e15) == pytest.approx(
        bound_ms(residual=False, flops=1e15) + shortcut_ms
    )


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_large", "convnext_tiny"])
def test_what_is_fused_lowers_the_bound_and_blocks_add_up(name):
    blocks = reference_network(name).blocks
    bound = roofline_ms(blocks, device=DEVICE)
    assert bound < roofline_ms(blocks, device=DEVICE, fuse=False)
    assert bound == pytest.approx(sum(roofline_ms(block, device=DEVICE) for block in blocks))


def test_a_batch_moves_its_weights_once():
    block = ConvSpec(
        in_channels=512, in_height=1, in_width=1, out_channels=512, kernel=1, stride=1, activation="identity"
    )
    batch = dataclasses.replace(DEVICE, batch=2, peak_flops={"fp32": 1e15})
    one = dataclasses.replace(batch, batch=1)
    extra = roofline_ms(block, device=batch) - roofline_ms(block, device=one)
    assert extra == pytest.approx(1e3 * 4 * 1024 / 1e9)
    assert roofline_ms([block, block], device=one) == pytest.approx(2 * roofline_ms(block, device=one))


def test_a_device_without_peaks_has_no_roofline():
    with pytest.raises(UserError, match=r"device bare has no roofline in fp32; give it peak_flops"):
        roofline_ms([], device=Device(name="bare"))


@pytest.mark.parametrize(("name", "megabytes"), [("vit_b_16", 89.4), ("swin_t", 35.0), ("resnet50", 0)])
def test_attention_without_a_fused_kernel_moves_its_scores_four_times(name: str, megabytes: float) -> None:
    blocks = reference_network(name).blocks
    slow = Device(name="slow", peak_flops={"fp32": 1e30}, bandwidth_bytes_per_s=1e6)  # ms are KB
    fused = roofline_ms(blocks, device=slow)
    materialised = roofline_ms(blocks, device=dataclasses.replace(slow, fused_attention=False))
    assert (materialised - fused) / 1e3 == pytest.approx(megabytes, abs=0.1)
    scores = sum(op.scratch_elements for block in blocks for op in block.ops)
    assert materialised - fused == pytest.approx(4 * 4 * scores / 1e3)


def test_a_device_says_only_that_its_attention_is_not_fused() -> None:
    plain = Device(name="plain")
    assert "fused_attention" not in plain.to_dict()
    other = dataclasses.replace(plain, fused_attention=False)
    assert Device.from_dict(other.to_dict()) == other
