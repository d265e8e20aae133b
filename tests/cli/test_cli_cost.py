"""``nas cost``, as a user types it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nas.network import reference_network
from nas.space import SearchSpace
from tests.conftest import Outcome

ROOT = Path(__file__).resolve().parents[2]
Nas = Callable[..., Outcome]
SAVINGS = [
    f"cost.savings.{name}={value}"
    for name, value in {
        "kernel": 3,
        "in_channels": 256,
        "out_channels": 256,
        "height": 56,
        "width": 56,
    }.items()
]


def succeed(outcome: Outcome) -> str:
    assert outcome.code == 0, outcome.err
    return outcome.out


def written(out: str) -> list[Path]:
    """The files that the command says it wrote; all of them must be there."""
    paths = [Path(found) for found in re.findall(r"^written: (.+)$", out, re.MULTILINE)]
    assert paths
    assert all(path.is_file() for path in paths)
    return paths


def test_a_network_on_a_device(nas: Nas, own_folder: Path) -> None:
    out = succeed(nas("cost", "network=resnet50", "device=a100", "run_dir=out"))
    assert "25,557,032 parameters, 4,089,184,256 MACs" in out
    assert "estimated by roofline, not measured" in out
    assert "Estimated time by operation: " in out
    blocks = re.findall(r"^(?:stem|stage|head|classifier)\b.*(?:memory|compute)", out, re.MULTILINE)
    assert len(blocks) == len(reference_network("resnet50").blocks)
    page, picture = written(out)
    assert (page.suffix, picture.suffix) == (".html", ".svg")
    assert "memory-bound" in page.read_text(encoding="utf-8")
    ET.parse(picture)


def test_it_leaves_nothing_but_its_pictures_and_the_log(nas: Nas, own_folder: Path) -> None:
    paths = written(succeed(nas("cost", "network=resnet18", "device=a100", "run_dir=out")))
    files = {path.relative_to(own_folder) for path in own_folder.rglob("*") if path.is_file()}
    assert files == {*paths, Path("out/nas.log")}


def test_sizes_of_a_reference_network(nas: Nas) -> None:
    settings = ["width=0.5", "resolution=96", "classes=10", "input_channels=1"]
    out = succeed(nas("cost", "network=mobilenet_v2", *(f"cost.{item}" for item in settings), "run_dir=out"))
    expected = reference_network("mobilenet_v2", width=0.5, resolution=96, classes=10, input_channels=1)
    assert f"mobilenet_v2 at 96×96: {expected.params:,} parameters, {expected.macs:,} MACs" in out


def test_a_device_without_peaks_gets_the_table_without_a_roofline(nas: Nas) -> None:
    out = succeed(nas("cost", "network=resnet18", "device.name=board", "run_dir=out"))
    assert "The peaks of board in fp32 are unknown: no roofline" in out
    assert [path.name for path in written(out)] == ["cost.html"]


def test_without_a_network_the_largest_of_the_space(nas: Nas) -> None:
    out = succeed(nas("cost", "space=tiny_32", "cost.classes=7", "device=raspberry_pi_4", "run_dir=out"))
    space = SearchSpace.load("tiny_32")
    largest = space.network(space.largest(), classes=7)
    assert out.startswith("the largest network of tiny_32 at ")
    assert f"{largest.params:,} parameters, {largest.macs:,} MACs" in out


def test_an_architecture_by_its_code(nas: Nas) -> None:
    space = SearchSpace.load("tiny_32")
    arch = space.sample(np.random.default_rng(3))
    out = succeed(nas("cost", f"network={arch}", "cost.input_channels=1", "run_dir=out"))
    network = space.network(arch, input_channels=1)
    assert f"{network.params:,} parameters, {network.macs:,} MACs" in out
    written(out)


def test_a_network_from_a_file_keeps_its_own_classes(nas: Nas, own_folder: Path) -> None:
    network = reference_network("mobilenet_v2", width=0.5, resolution=32, classes=3)
    (own_folder / "winner.json").write_text(json.dumps({"network": network.to_dict()}), encoding="utf-8")
    out = succeed(nas("cost", "network=winner.json", "device=a100", "run_dir=out"))
    assert f"winner at 32×32: {network.params:,} parameters, {network.macs:,} MACs" in out


def test_several_networks_at_once(nas: Nas) -> None:
    out = succeed(nas("cost", "network=resnet18,resnet20", "device=a100", "run_dir=out", "--multirun"))
    assert len(written(out)) == 4
    assert "resnet18 at 224×224" in out
    assert "resnet20 at 32×32" in out


def test_the_savings_alone(nas: Nas) -> None:
    out = succeed(nas("cost", *SAVINGS, "run_dir=out"))
    assert "depthwise separable: 67,840 weights, 212,746,240 MACs, 8.7× fewer" in out
    assert "inverted residual, expansion 6: " in out
    assert "parameters" not in out
    [picture] = written(out)
    assert "8.7× fewer" in picture.read_text(encoding="utf-8")


def test_the_savings_beside_a_network(nas: Nas) -> None:
    out = succeed(nas("cost", "network=resnet18", "device=a100", *SAVINGS, "run_dir=out"))
    assert "11,689,512 parameters" in out
    assert len(written(out)) == 3


FAULTS = {
    "network=resnet5": "unknown network 'resnet5'; did you mean resnet50 .*An architecture code of the space "
    "tiny_32 or the path of a JSON file",
    "network=nowhere.json": r"network file nowhere\.json does not exist; give an existing file, or one of",
    "network=r32-d9:x": ".*",
    "network=resnet18 cost.width=-1": "width is -1.0; a width multiplier is a number above 0",
    "network=resnet18 cost.resolution=0": "resolution",
    "network=resnet18 cost.classes=0": "classes",
    "cost.resolution=0": "resolution",
    "cost.width=0.5": "cost.width=0.5 scales reference networks only, and the largest network is none",
    "device=a10": "unknown device option 'a10'; did you mean a100",
    "space=tiny32": "unknown search space 'tiny32'; did you mean tiny_32",
    "cost.savings.kernel=3": "cost.savings.in_channels, .* have no value; the savings need all of kernel",
    " ".join([*SAVINGS[1:], "cost.savings.kernel=4"]): "kernel is 4; kernels are odd",
    "cost.savings.kernal=3": "unknown setting 'cost.savings.kernal'; did you mean cost.savings.kernel",
}


@pytest.mark.parametrize("arguments", FAULTS)
def test_a_fault_is_one_line(nas: Nas, arguments: str) -> None:
    outcome = nas("cost", *arguments.split(), "run_dir=out")
    assert outcome.code == 2
    [line] = outcome.err.splitlines()
    assert re.match(f"error: .*{FAULTS[arguments]}", line), line


WATCHED = """
import sys
from nas.cli.__main__ import main
code = main(["cost", "network=resnet18", "device=a100", "run_dir=out"])
sys.exit("torch was loaded" if "torch" in sys.modules else code)
"""


def test_it_loads_no_torch(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}){WATCHED}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "given.json holds no network: the network lacks 'stem'"),
        ("[]", "given.json holds no network: a network is a mapping with classes"),
    ],
)
def test_a_file_without_a_network_is_named(nas: Callable[..., Outcome], text: str, message: str) -> None:
    Path("given.json").write_text(text)
    outcome = nas("cost", "network=given.json")
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {message}")
