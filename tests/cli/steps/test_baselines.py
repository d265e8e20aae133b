"""Which baselines ``nas finish`` trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.cli.steps.context import Context
from nas.cli.steps.final.baselines import baselines, changed_strides, check_baselines
from nas.cli.steps.final.entries import Entry
from nas.network.strides import last_side, total_stride
from nas.tracking import Guard
from nas.tracking.none import NoTracker
from tests.cli.hydra.test_cli_schema import composed

WIDTHS = "finish.baseline_widths=[0.25,0.5]"


def context(*overrides: str) -> Context:
    return Context(config=composed(*overrides), run_dir=Path("nowhere"), tracker=Guard(inner=NoTracker()))


def test_baselines_come_at_the_smallest_and_the_largest_resolution() -> None:
    named = dict(baselines(context("space=tiny_32", WIDTHS), classes=7, channels=1))
    assert list(named) == [
        "mobilenet_v2 ×0.25 r16",
        "mobilenet_v2 ×0.5 r16",
        "mobilenet_v2 ×0.25 r32",
        "mobilenet_v2 ×0.5 r32",
    ]
    networks = list(named.values())
    assert [network.resolution for network in networks] == [16, 16, 32, 32]
    assert {(network.classes, network.input_channels) for network in networks} == {(7, 1)}
    first = Entry("mobilenet_v2 ×0.25 r16", "baseline", networks[0])
    assert first.file == "mobilenet_v2_x0.25_r16.safetensors"


def test_strides_suit_the_image_unless_they_are_given() -> None:
    assert [last_side(network) for _, network in baselines(context("space=tiny_32", WIDTHS))] == [4] * 4
    published = context("space=tiny_32", WIDTHS, "finish.baseline_stride=32")
    assert {total_stride(network) for _, network in baselines(published)} == {32}
    assert changed_strides(published) == []
    assert changed_strides(context("space=mobilenet_v2")) == []
    [line] = changed_strides(context("space=tiny_32", "finish.baseline_resolutions=[32,200]"))
    assert line.startswith(
        "mobilenet_v2 shrinks images of 32 pixels by 8, not by 32; 4 pixels a side remain (finish."
    )


def test_a_single_resolution_is_not_part_of_the_name() -> None:
    several = context("finish.baseline_resolutions=[24,24]", WIDTHS)
    assert [name for name, _ in baselines(several)] == ["mobilenet_v2 ×0.25", "mobilenet_v2 ×0.5"]


def test_the_deprecated_setting_works_and_warns(capsys: pytest.CaptureFixture[str]) -> None:
    old = context("finish.baseline_resolution=20", WIDTHS)
    check_baselines(old)
    assert "warning: finish.baseline_resolution is deprecated; use finish.baseline_resolutions=[20]" in (
        capsys.readouterr().out
    )
    assert list(baselines(old)) == list(baselines(context("finish.baseline_resolutions=[20]", WIDTHS)))
    check_baselines(context())
    assert capsys.readouterr().out == ""
