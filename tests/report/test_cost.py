"""``nas cost``: the table of blocks, the roofline and the savings of separable convolutions."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from nas.blocks import block_kinds
from nas.errors import UserError
from nas.hardware import Device, roofline_ms
from nas.network import reference_network
from nas.report.cost import (
    HEADINGS,
    NetworkCost,
    find_network,
    network_cost,
    rows,
    summary,
    text_table,
)
from nas.report.cost_page import cost_page, write_cost
from nas.report.figures.roofline import draw_roofline
from nas.report.figures.savings import write_savings
from nas.report.savings import forms, sentences
from nas.resources import shipped
from tests.report.pages import parse

DEVICES = sorted((shipped("conf") / "device").glob("*.yaml"))
REQUIRED = [
    "a100",
    "h200",
    "tpu_v4",
    "a17_neural_engine",
    "pixel_6",
    "samsung_note10",
    "raspberry_pi_4",
    "raspberry_pi_5",
    "jetson_orin",
    "laptop_cpu",
    "this_machine",
]


def device(name: str) -> Device:
    path = shipped("conf") / "device" / f"{name}.yaml"
    return Device.from_dict(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def cost() -> NetworkCost:
    return network_cost(reference_network("resnet50"), name="resnet50", device=device("a100"))


def test_the_devices_are_there() -> None:
    assert set(REQUIRED) <= {path.stem for path in DEVICES}


@pytest.mark.parametrize("path", DEVICES, ids=lambda path: path.stem)
def test_every_figure_of_a_device_has_a_source(path: Path) -> None:
    found = device(path.stem)
    assert found.name == path.stem
    assert set(found.preferred_blocks) <= set(block_kinds())
    figures = ("peak_flops", "bandwidth_bytes_per_s", "preferred_blocks", "channel_multiple", "max_width")
    stated = {name for name in figures if getattr(found, name) not in (None, ())}
    assert stated <= set(dict(found.sources))
    if stated:
        assert found.precision in dict(found.peak_flops)
        assert min(dict(found.peak_flops).values()) > 1e9
        assert 1e9 < (found.bandwidth_bytes_per_s or 0) < 1e13
        network = reference_network("mobilenet_v2")
        assert 0 < roofline_ms(network.blocks, device=found) < 1000


def test_published_peaks() -> None:
    assert dict(device("a100").peak_flops)["fp16"] == 312e12
    assert dict(device("tpu_v4").peak_flops)["bf16"] == 275e12
    assert dict(device("a17_neural_engine").peak_flops)["int8"] >= 15e12
    assert 0.5e12 < dict(device("laptop_cpu").peak_flops)["int8"] < 2e12


def test_blocks_sum_to_the_network(cost: NetworkCost) -> None:
    assert sum(block.flops for block in cost.blocks) == 2 * cost.network.macs
    assert sum(block.bytes for block in cost.blocks) == cost.bytes
    assert cost.estimated_ms == pytest.approx(roofline_ms(cost.network.blocks, device=cost.device))
    assert sum(share for _, share in cost.slowest_kinds) == pytest.approx(1)


def test_what_every_runtime_fuses_costs_nothing_and_the_unfused_figure_stands_beside(
    cost: NetworkCost,
) -> None:
    kinds = dict(cost.slowest_kinds)
    assert not {"relu", "addition"} & set(kinds)
    assert cost.unfused_bytes == cost.network.bytes_moved("fp16") > 1.5 * cost.bytes
    assert cost.unfused_ms == pytest.approx(0.0851, abs=1e-4)
    assert cost.estimated_ms == pytest.approx(0.0555, abs=1e-4)
    text = " ".join(summary(cost))
    assert "at least 0.055 ms" in text
    assert "107.87 MB with elementwise operations fused; 168.38 MB in 0.085 ms unfused" in text


def test_bounds_follow_the_ridge(cost: NetworkCost) -> None:
    assert cost.ridge == pytest.approx(312e12 / 2.039e12)
    for op in cost.ops:
        moving = op.bytes / 2.039e12 * 1e3
        assert op.memory_bound == (op.intensity < cost.ridge)
        assert (op.estimated_ms == pytest.approx(moving)) == bool(op.memory_bound)


def test_a_batch_moves_its_weights_once() -> None:
    a100 = device("a100")
    one, many = (
        network_cost(reference_network("resnet18"), name="r", device=replace(a100, batch=batch))
        for batch in (1, 64)
    )
    assert sum(op.flops for op in many.ops) == 64 * sum(op.flops for op in one.ops)
    assert sum(op.bytes for op in many.ops) < 64 * sum(op.bytes for op in one.ops)
    assert sum(bool(op.memory_bound) for op in many.ops) < sum(bool(op.memory_bound) for op in one.ops)


def test_the_table_has_a_row_a_block_and_totals(cost: NetworkCost) -> None:
    lines = rows(cost)
    assert len(lines) == len(cost.network.blocks) + 1
    assert all(len(line) == len(HEADINGS) for line in lines)
    assert lines[-1][:5] == ("total", "", "", "25,557.0", "4,089.18")
    assert lines[0][:3] == ("stem block 0", "conv", "64×112×112")
    text = text_table(cost).splitlines()
    assert len({len(line.rstrip()) for line in text[1:-1]}) <= 12
    assert "time, estimated (µs)" in text[0]


def test_the_summary_says_that_it_is_estimated(cost: NetworkCost) -> None:
    text = " ".join(summary(cost))
    assert "25,557,032 parameters, 4,089,184,256 MACs" in text
    assert "estimated by roofline, not measured" in text
    assert "convolution" in text


def test_page_and_picture(cost: NetworkCost, tmp_path: Path) -> None:
    page, picture = write_cost(cost, tmp_path)
    parsed = parse(page.read_text(encoding="utf-8"))
    assert "http" not in parsed.text
    assert sum(name == "tr" for name, _ in parsed.elements) > len(cost.ops) + len(cost.blocks)
    layers = {layer["name"]: layer for layer in parsed.charts[0]["layers"]}
    counted = [op for op in cost.ops if op.flops]
    for name, bound in (("memory-bound", True), ("compute-bound", False)):
        assert layers[name]["x"] == [op.intensity for op in counted if op.memory_bound is bound]
    [drawn] = [json.loads(known["data-network"]) for _, known in parsed.elements if "data-network" in known]
    numbers = [number for group in drawn[0]["groups"] for number in group]
    assert len(numbers) == len(cost.blocks)
    assert max(numbers) < len(parsed.data["drawings"]["cells"])
    assert picture.name == "roofline.svg"
    assert "<svg" in picture.read_text(encoding="utf-8")


def test_the_tables_of_the_page_fit_a_window_of_1100_pixels(cost: NetworkCost) -> None:
    """By a rough width for each character of the parts that cannot wrap: words, and cells with figures."""
    for text in re.findall(r"<table>.*?</table>", cost_page(cost), re.DOTALL):
        table = ET.fromstring(text)
        lines = list(table.iter("tr"))
        columns = zip(*(list(line) for line in lines), strict=True)
        characters = [max(_unbreakable(cell) for cell in column) for column in columns]
        assert sum(8.2 * count + 16 for count in characters) < 1100 - 32


def _unbreakable(cell: ET.Element) -> int:
    text = " ".join(cell.itertext())
    wraps = cell.tag == "th" or cell.get("class") == "text"
    return max(map(len, text.split()), default=0) if wraps else len(text)


def test_a_device_without_peaks_gets_a_table_without_a_roofline(tmp_path: Path) -> None:
    plain = network_cost(reference_network("resnet18"), name="resnet18", device=Device(name="unknown"))
    assert plain.estimated_ms is None
    assert "The peaks of unknown in fp32 are unknown: no roofline" in " ".join(summary(plain))
    assert rows(plain)[-1][-3:] == ("–", "–", "–")
    assert [path.name for path in write_cost(plain, tmp_path)] == ["cost.html"]


def test_a_network_from_a_file(tmp_path: Path) -> None:
    network = reference_network("mobilenet_v2", width=0.5, resolution=32)
    (tmp_path / "plain.json").write_text(json.dumps(network.to_dict()), encoding="utf-8")
    (tmp_path / "winner.json").write_text(json.dumps({"network": network.to_dict()}), encoding="utf-8")
    for name in ("plain.json", "winner.json"):
        assert find_network(str(tmp_path / name)) == network
    assert find_network("mobilenet_v2", width=0.5, resolution=32) == network


def test_networks_that_do_not_exist() -> None:
    with pytest.raises(UserError, match="unknown reference network 'resnet5'; did you mean resnet50"):
        find_network("resnet5")
    with pytest.raises(
        UserError, match=r"network file nowhere\.json does not exist; give an existing file, or one of"
    ):
        find_network("nowhere.json")


def test_the_savings_of_the_published_example(tmp_path: Path) -> None:
    sizes = {"kernel": 3, "in_channels": 256, "out_channels": 256, "height": 56, "width": 56}
    found = forms(**sizes)
    assert (found[0].weights, found[0].macs) == (589_824, 1_849_688_064)
    assert found[1].weights == 67_840
    assert sentences(found)[1].endswith("8.7× fewer")
    path = write_savings(tmp_path / "savings.svg", **sizes)
    assert "8.7× fewer" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("kernel", "cin", "cout"), [(3, 16, 32), (5, 24, 8), (7, 96, 96)])
def test_savings_follow_the_formulae(kernel: int, cin: int, cout: int) -> None:
    conv, separable, *inverted = forms(kernel=kernel, in_channels=cin, out_channels=cout, height=7, width=9)
    assert separable.macs / conv.macs == pytest.approx(1 / cout + 1 / kernel**2)
    assert [form.macs for form in inverted] == [63 * t * cin * (cin + kernel**2 + cout) for t in (2, 3, 6)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": 4}, "kernel is 4; kernels are odd"),
        ({"height": 0}, "height is 0; it must be a whole number of at least 1"),
    ],
)
def test_savings_of_sizes_that_are_wrong(change: dict[str, int], message: str) -> None:
    sizes = {"kernel": 3, "in_channels": 8, "out_channels": 8, "height": 8, "width": 8}
    with pytest.raises(UserError, match=message):
        forms(**{**sizes, **change})


def test_both_traffics_of_attention_stand_on_the_page_and_on_the_roofline() -> None:
    device = Device(name="gpu", precision="fp16", peak_flops={"fp16": 3e14}, bandwidth_bytes_per_s=1.5e12)
    cost = network_cost(reference_network("swin_t"), name="swin_t", device=device)
    text = " ".join(summary(cost))
    fused, materialised = cost.attention_ms
    assert cost.estimated_ms == pytest.approx(fused) and materialised > fused
    moved = (cost.bytes / 1e6, (cost.bytes + cost.scratch_bytes) / 1e6)
    assert f"Attention by one kernel: {moved[0]:,.2f} MB in {fused:.3f} ms" in text
    assert f"with its scores in memory: {moved[1]:,.2f} MB in {materialised:.3f} ms" in text
    labels = [each.get_text() for each in draw_roofline(cost).axes[0].get_legend().get_texts()]
    assert "attention, its scores in memory" in labels
    plain = network_cost(reference_network("resnet50"), name="resnet50", device=device)
    assert "Attention" not in " ".join(summary(plain))
