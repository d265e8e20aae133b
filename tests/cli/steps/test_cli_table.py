"""``nas table`` and ``nas kit``: where a table comes from, and what is refused before it is measured."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nas.blocks import parse_key
from nas.hardware import Device, describe_machine
from nas.latency import load_table
from nas.latency.estimate.roofline import roofline_table
from nas.space import SearchSpace
from tests.conftest import Outcome

SPACE = """
name: mini
resolution: [16, 20]
stem:
  - {kind: conv, width: 8, kernel: 3, stride: 2, activation: relu}
stages:
  - kind: inverted_residual
    depth: [1, 2]
    width: 16
    stride: 2
    activation: relu
    each_block: {kernel: [3, 5], expand: [2, 3]}
head:
  - {kind: pool}
"""
PEAKS = {"peak_flops": {"fp32": 1e11}, "bandwidth_bytes_per_s": 1e10}
NETWORKS = ("table.correction_networks=3", "table.validation_networks=3")
SIZES = ("space=mini", "table.classes=10", "table.input_channels=3", "run_dir=run")
QUICK = (*SIZES, *NETWORKS, "table.resolutions=[16]", "table.budget=1s")

Nas = Callable[..., Outcome]


@pytest.fixture
def space(own_folder: Path) -> SearchSpace:
    path = own_folder / "search_spaces" / "mini.yaml"
    path.parent.mkdir()
    path.write_text(SPACE, encoding="utf-8")
    return SearchSpace.load("mini")


def blocks(space: SearchSpace, **fields: object) -> set[str]:
    return {block.key for block in space.block_specs(classes=10, **fields)}  # type: ignore[arg-type]


def test_a_kit_is_measured_without_this_package_and_is_a_table_then(space: SearchSpace, nas: Nas) -> None:
    outcome = nas("kit", *QUICK, "device.name=board")
    assert outcome.code == 0, outcome.err
    assert "chains, and 6 whole networks; 5 rounds take about " in outcome.out
    assert "on the device: python run/kit/measure.pyz run/kit TABLE.json" in outcome.out
    manifest = json.loads(Path("run/kit/manifest.json").read_text())
    assert (manifest["device"]["name"], manifest["device"]["machine"]) == ("board", "")
    measure("run/kit/measure.pyz", "run/kit")
    table = load_table("table.json")
    assert (table.name, table.space, table.device.machine) == ("mini-board", "mini", describe_machine())
    assert set(table.costs) == blocks(space, resolutions=[16])
    assert table.accuracy is not None


def measure(program: str, kit: str) -> None:
    command = [sys.executable, program, kit, "table.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("wrote table.json\n")


def test_a_kit_can_be_one_file(space: SearchSpace, nas: Nas) -> None:
    outcome = nas("kit", *QUICK, "kit.zip=true")
    assert outcome.code == 0, outcome.err
    assert {path.name for path in Path("run/kit").iterdir()} == {
        "mini-this_machine.zip",
        "measure.pyz",
        "step.json",
    }
    with zipfile.ZipFile("run/kit/mini-this_machine.zip") as archive:
        assert {"manifest.json", "measure.pyz"} < set(archive.namelist())
        assert archive.testzip() is None
    measure("run/kit/measure.pyz", "run/kit/mini-this_machine.zip")
    assert load_table("table.json").space == "mini"


@pytest.mark.parametrize("command", ["table", "run"])
@pytest.mark.parametrize("device", ["raspberry_pi_4", "jetson_orin", "h200", "pixel_6"])
def test_another_device_is_not_measured_here(
    space: SearchSpace, nas: Nas, monkeypatch: pytest.MonkeyPatch, command: str, device: str
) -> None:
    monkeypatch.setattr("nas.hardware.boards", lambda: ["AMD EPYC, 2 cores, x86_64", "NVIDIA A100-SXM4-80GB"])
    outcome = nas(command, *QUICK, f"device={device}")
    assert outcome.code == 2
    [line] = outcome.err.splitlines()
    assert re.match(
        rf"error: device {device} is .*, but this is .*; measure there with table.host=USER@HOST or `nas "
        r"kit`, estimate with table=roofline, or measure .* with device.(board|machine)=$",
        line,
    )
    assert not Path("run/table").exists() and not Path("run/supernet").exists()


def test_a_folder_with_something_else_in_it_is_warned_of(space: SearchSpace, nas: Nas) -> None:
    settings = (*SIZES, "table=roofline", "device=laptop_cpu")
    Path("run/job-1").mkdir(parents=True)
    Path("run/job-1/provenance.json").touch()  # of a multirun
    assert "warning" not in nas("table", *settings).out
    Path("run/provenance.json").unlink()
    Path("run/cat.jpg").touch()
    for expected in (1, 0):
        outcome = nas("table", *settings)
        assert outcome.out.count("warning: run holds cat.jpg, table but no run; the run is") == expected


def test_a_table_that_does_not_exist_is_no_finished_one(space: SearchSpace, nas: Nas) -> None:
    outcome = nas("table", *QUICK, "table=nope")
    assert outcome.code == 2
    assert outcome.err.startswith("error: unknown table to make 'nope'; allowed: roofline. Leave table= out")


@pytest.mark.parametrize("command", ["table", "kit"])
def test_an_unknown_runtime_is_refused(space: SearchSpace, nas: Nas, command: str) -> None:
    outcome = nas(command, *QUICK, "device.runtime=onnx")
    assert outcome.code == 2
    assert (
        "unknown device.runtime to measure with 'onnx'; did you mean onnxruntime or openvino?; allowed: "
        in outcome.err
    )


def test_another_device_can_be_measured_here_if_that_is_said(space: SearchSpace, nas: Nas) -> None:
    outcome = nas("table", *QUICK, "device=raspberry_pi_4", "device.threads=1", "device.board=")
    assert outcome.code == 0, outcome.err
    assert nas("kit", *QUICK, "device=raspberry_pi_4").code == 0


@pytest.mark.parametrize("setting", ["table=roofline", "table.host=pi"])
def test_a_kit_of_what_needs_none_is_refused(space: SearchSpace, nas: Nas, setting: str) -> None:
    outcome = nas("kit", *QUICK, setting)
    assert outcome.code == 2
    assert "makes a table without a kit; leave it out, or use nas table" in outcome.err


def test_a_table_of_a_device_that_is_reached_from_here(space: SearchSpace, nas: Nas, tmp_path: Path) -> None:
    remote = (
        "table.host=local:",
        f"table.remote.python={sys.executable}",
        f"table.remote.folder={tmp_path}/far",
    )
    outcome = nas("table", *QUICK, *remote, "device.name=board", "device.threads=2")
    assert outcome.code == 0, outcome.err
    assert "measuring on local: as device board" in outcome.out
    table = load_table("run/table/mini-board.json")
    assert (table.device.threads, table.device.machine) == (2, describe_machine())
    # How it was reached does not decide the table: with another folder it is already done.
    again = nas("table", *QUICK, *remote[:2], "device.name=board", "device.threads=2")
    assert "table: already done, skipped" in again.out


def test_a_table_from_whole_networks_and_a_sibling(space: SearchSpace, nas: Nas) -> None:
    device = Device(name="phone", **PEAKS)  # type: ignore[arg-type]
    truth = roofline_table(space.block_specs(classes=10), device=device, space="mini")
    archs = space.decode(np.unique(space.sample_many(60, np.random.default_rng(0)), axis=0))
    lines = [f"{arch},{2 * truth.predict(space.network(arch, classes=10))}" for arch in archs[:12]]
    Path("phone.csv").write_text("\n".join(["architecture,latency_ms", *lines]) + "\n")
    truth.save(Path("sibling.json"))
    fit = ("table.from_networks=phone.csv", "table.sibling=sibling.json", "device.name=phone")
    outcome = nas("table", *SIZES, *fit)
    assert outcome.code == 0, outcome.err
    table = load_table("run/table/mini-phone.json")
    network = space.network(archs[-1], classes=10)
    assert table.predict(network) == pytest.approx(2 * truth.predict(network), rel=0.2)
    assert "already done" in nas("table", *SIZES, *fit).out
    Path("phone.csv").write_text("\n".join(["architecture,latency_ms", *lines[1:]]) + "\n")
    assert "the measured networks changed" in nas("table", *SIZES, *fit).out


def test_a_table_is_checked_and_corrected_here(space: SearchSpace, nas: Nas) -> None:
    device = Device(name="here", **PEAKS)  # type: ignore[arg-type]
    given = roofline_table(space.block_specs(classes=10), device=device, space="mini")
    given.save(Path("theirs.json"))
    check = (*SIZES, "table.check=theirs.json", "table.validation_networks=5", "table.budget=2s")
    outcome = nas("table", *check)
    assert outcome.code == 0, outcome.err
    [line] = [line for line in outcome.out.splitlines() if "of the predicted latency" in line]
    ratio = float(
        re.match(r"table: 5 whole networks take ([\d.]+) of the predicted latency \(95 %: ", line)[1]
    )
    table = load_table("run/table/mini-this_machine.json")
    assert (table.device.machine, table.provenance["checked"]) == (describe_machine(), given.name)
    # On the mean of the networks: a single one that was disturbed moves the prediction of any of them.
    measured = [list(map(parse_key, record.blocks)) for record in table.probes]
    factors = [table.predict_blocks(blocks) / given.predict_blocks(blocks) for blocks in measured]
    assert np.exp(np.log(factors).mean()) == pytest.approx(ratio, rel=0.4)
    assert table.accuracy is not None and table.accuracy.networks == 5
    assert "already done" in nas("table", *check).out
    dataclasses.replace(given, name="other").save(Path("theirs.json"))
    assert "the checked table changed" in nas("table", *check).out


def test_a_check_needs_a_few_networks(space: SearchSpace, nas: Nas) -> None:
    given = roofline_table(space.block_specs(classes=10), device=Device(name="here", **PEAKS), space="mini")  # type: ignore[arg-type]
    given.save(Path("theirs.json"))
    outcome = nas("table", *SIZES, "table.check=theirs.json", "table.validation_networks=1")
    assert (outcome.code, Path("run/table").exists()) == (2, False)
    assert "table.validation_networks is 1; table.check needs 2 networks" in outcome.err


def test_networks_that_cannot_be_understood_leave_nothing_behind(space: SearchSpace, nas: Nas) -> None:
    archs = space.decode(np.unique(space.sample_many(60, np.random.default_rng(0)), axis=0))[:12]
    fit = ("table.from_networks=phone.csv", "device=laptop_cpu")
    lines = {number: f"{arch},{number},5" for number, arch in enumerate(archs, start=2)}
    Path("phone.csv").write_text("\n".join(["architecture,latency_ms", *lines.values()]) + "\n")
    outcome = nas("table", *SIZES, *fit)
    assert (outcome.code, Path("run").exists()) == (2, False)
    assert "phone.csv, line 2: the line has 3 fields, the first line names 2" in outcome.err
    lines = {number: f"{arch},1e-9" for number, arch in enumerate(archs, start=2)}
    Path("phone.csv").write_text("\n".join(["architecture,latency_ms", *lines.values()]) + "\n")
    outcome = nas("table", *SIZES, *fit)
    assert (outcome.code, Path("run/table").exists()) == (2, False)
    assert "line 2: latency_ms is 1e-09, but laptop_cpu takes at least" in outcome.err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["table.resolutions=[17]"], "table.resolutions is [17]; the space mini has 16, 20"),
        (["table.correction_networks=-1"], "table.correction_networks is -1; it is a number of networks"),
        (["table=roofline", "table.host=pi"], "table=roofline and table.host each say where the table"),
        (["table.host=ftp:pi"], "unknown kind of address 'ftp'; allowed: adb, local, ssh"),
        (["table.host=adb:"], "Android has no Python: name a benchmark program"),
        (["table.remote.binary=perf"], "table.remote.binary says nothing without table.host"),
        (["table.from_networks=none.csv"], "table.from_networks: there is no file none.csv"),
        (["table.check=nope"], "unknown latency table 'nope'"),
        (["table.check=v100-batch1"], "the latency table v100-batch1 was measured with"),
        (["table.check=x", "table.from_networks=y"], "table.check and table.from_networks each say where"),
        (["table.sibling=x"], "table.sibling says nothing without table.from_networks"),
        (["table.published=x"], "setting 'table.published' was removed; use table=NAME (published"),
        (["table.format=v100-batch1"], "setting 'table.format' was removed; use table=NAME (published"),
        (["table.missing=guess"], "unknown table.missing 'guess'; allowed: error, estimate, measure"),
        (["table.budget=0s"], "'0s' is not a duration"),
        (["device.runtime_version=0.1"], "this_machine is onnxruntime 0.1, but"),
        (["device.machine=Elsewhere"], "this_machine is Elsewhere, but this is"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[-1],
)
def test_faults_are_found_before_anything_is_measured(
    space: SearchSpace, nas: Nas, settings: list[str], message: str
) -> None:
    outcome = nas("table", *(word for word in QUICK if word.split("=")[0] not in settings[0]), *settings)
    assert outcome.code == 2
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert not Path("run/table").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["device.threads=4"],
            "was measured with threads 1, but device=this_machine asks for threads 4; take",
        ),
        (["device.batch=8"], "was measured with batch 1, but device=this_machine asks for batch 8"),
        (["device.precision=int8"], "with precision fp32, but device=this_machine asks for precision int8"),
        (
            ["device.runtime=openvino", "device.provider=CPU"],
            "provider CPUExecutionProvider, but device=this_machine asks for runtime openvino, provider CPU",
        ),
        (["+device.provider_options.a=1"], "asks for provider_options {'a': 1}"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_table_that_was_measured_otherwise_is_refused(
    space: SearchSpace, nas: Nas, settings: list[str], message: str
) -> None:
    device = Device(name="this_machine", **PEAKS)  # type: ignore[arg-type]
    roofline_table(space.block_specs(classes=10), device=device, space="mini").save(Path("given.json"))
    outcome = nas("run", "space=mini", "table=given.json", "run_dir=run", *settings)
    assert outcome.code == 2
    assert outcome.err.startswith("error: the latency table ")
    assert message in outcome.err


def test_a_finished_table_is_not_made_again(space: SearchSpace, nas: Nas) -> None:
    Path("given.json").touch()
    outcome = nas("table", *QUICK, "table=given.json")
    assert outcome.code == 2
    assert "table.name=given.json names a finished table; leave it out to make one" in outcome.err


def test_a_device_is_loaded_after_its_table(space: SearchSpace, nas: Nas) -> None:
    outcome = nas("table", *QUICK, "table.sustained=2s")
    assert outcome.code == 0, outcome.err
    (line,) = [line for line in outcome.out.splitlines() if line.startswith("table: sustained load of 2 s: ")]
    assert "ms in the first 0.5 s of load" in line
    value = json.loads(Path("run/table/sustained/sustained.json").read_text())
    assert 0.2 < value["last"]["value"] / value["first"]["value"] < 5
    assert value["network"]["resolution"] == 16
    assert load_table("run/table/mini-this_machine.json").costs  # the table is as usual
    report = nas("report", "run_dir=run")
    assert report.code == 0, report.err
    assert "Sustained load of 2 s: a network takes" in Path("run/report.html").read_text()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("table.sustained=soon",), "table.sustained: 'soon' is not a duration"),
        (("table.sustained=2s", "table=roofline"), "this table is not measured; set table.sustained=null"),
        (
            ("table.sustained=2s", "table.host=local:", "table.remote.binary=benchmark_model"),
            "table.sustained needs measure.pyz",
        ),
    ],
)
def test_loads_that_cannot_be_are_refused(
    space: SearchSpace, nas: Nas, settings: tuple[str, ...], message: str
) -> None:
    outcome = nas("table", *QUICK, *settings)
    assert outcome.code == 2
    assert message in outcome.err
    assert not Path("run/table").exists()
