"""What is going to be measured, and how long that takes, before anything is."""

import dataclasses

import pytest

from nas.errors import UserError
from nas.hardware import Device
from nas.latency.plan.plan import plan_table

DEVICE = Device(name="local")


def plan(space, **fields):
    counts = {"correction_networks": 4, "validation_networks": 3, "classes": 10, "budget_s": 60.0}
    return plan_table(space, **{**counts, **fields})


def test_a_plan_says_what_is_measured_and_how_long_that_takes(small_space):
    found = plan(small_space)
    assert found.blocks == len(small_space.block_specs(classes=10))
    assert [entry.role for entry in found.networks] == ["correction"] * 4 + ["validation"] * 3
    chains, networks = 5 * len(found.probes), 5 * len(found.networks)
    least = chains * 10 * 0.02e-3 + networks * 10e-3
    assert least < found.expected_s(DEVICE) < 2 * least
    assert found.expected_s(dataclasses.replace(DEVICE, threads=2)) == found.expected_s(DEVICE)
    alone = found.expected_s(dataclasses.replace(DEVICE, provider="CUDAExecutionProvider"))
    assert (chains + networks) * 10e-3 < alone < (chains + networks) * 20e-3  # nothing takes turns there
    assert found.about(DEVICE) == (
        f"{found.blocks} blocks in {len(found.probes)} chains, and 7 whole networks; "
        f"5 rounds take about {found.expected_s(DEVICE):.0f} s of 60 s"
    )


def test_a_budget_that_is_too_short_is_told_with_one_that_is_not(small_space):
    expected_s = plan(small_space).expected_s(DEVICE)
    short = plan(small_space, budget_s=expected_s / 2)
    assert "That is too short: everything is measured at least once, 2.5 times on the average" in short.about(
        DEVICE
    )
    assert short.about(DEVICE).endswith("table.budget=1m has room for all rounds")
    assert "too short" not in plan(small_space, budget_s=expected_s * 1.01).about(DEVICE)


def test_slow_devices_and_large_batches_take_longer(small_space):
    peaks = {"peak_flops": {"fp32": 1e6}, "bandwidth_bytes_per_s": 1e12}
    usual, slow, batch = (
        plan(small_space).expected_s(dataclasses.replace(DEVICE, **fields))
        for fields in ({}, peaks, {"batch": 4096})
    )
    assert slow > 3 * usual
    assert batch > 3 * usual


def test_fewer_resolutions_are_fewer_blocks_and_networks_of_these_only(small_space):
    found = plan(small_space, resolutions=[8])
    assert found.blocks == len(small_space.block_specs(resolutions=[8], classes=10))
    assert {entry.network.resolution for entry in found.networks} == {8}


@pytest.mark.parametrize("resolutions", [[], [8, 9]])
def test_resolutions_that_the_space_has_not_are_an_error(small_space, resolutions):
    with pytest.raises(UserError, match=r"table\.resolutions is \[.*\]; the space small has 8, 12, and null"):
        plan(small_space, resolutions=resolutions)


def test_a_benchmark_program_gets_fewer_and_longer_samples(small_space):
    native, usual = plan(small_space, long_samples=True).protocol, plan(small_space).protocol
    assert native.samples < usual.samples
    assert native.sample_ms > usual.sample_ms
