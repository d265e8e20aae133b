"""The peaks of this machine."""

from __future__ import annotations

import pytest

from nas.hardware import Device, roofline_ms
from nas.latency.estimate import peaks
from nas.latency.estimate.peaks import with_peaks_of_here
from nas.network import reference_network


def test_this_machine_s_peaks_give_a_plausible_roofline() -> None:
    device = with_peaks_of_here(Device(name="this_machine"))
    flops = dict(device.peak_flops)["fp32"]
    assert 1e8 < flops < 1e14, "between a microcontroller and a GPU"
    assert device.bandwidth_bytes_per_s is not None and 1e8 < device.bandwidth_bytes_per_s < 1e13
    assert set(dict(device.sources)) == {"peak_flops", "bandwidth_bytes_per_s"}
    network = reference_network("mobilenet_v2")
    least_ms = 2 * network.macs / flops * 1e3
    assert roofline_ms(network.blocks, device=device) >= least_ms


def test_a_multiply_accumulate_is_two_operations_and_a_copied_byte_moves_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peaks, "_best", lambda work: 1.0)
    device = with_peaks_of_here(Device(name="this_machine"))
    assert dict(device.peak_flops)["fp32"] == 2 * peaks.MATRIX**3
    assert device.bandwidth_bytes_per_s == 2 * peaks.COPIED_BYTES
