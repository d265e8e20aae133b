"""Faults of an export: each is one message with exit code 2, and leaves the earlier files as they were."""

from __future__ import annotations

import dataclasses
import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.deploy import formats
from nas.deploy.manifest import read_manifest
from nas.files import content_sha256, read_json
from nas.latency import BlockModel, load_table
from nas.network import NetworkSpec
from nas.records import read_record, write_record
from tests.cli.steps.conftest import SETTINGS
from tests.cli.steps.test_cli_pipeline import Run

REFUSING = """
import os
import signal
from nas.blocks import MissingFormError, forms_of
from nas.deploy.formats import Format, register
from nas.deploy.isolated import convert

@register
class Refusing(Format):
    NAME, SUFFIX, TOLERANCE = "refusing", ".refusing", 0.0

    def write(self, source, path):
        convert(refuse, path, log=source.logs / f"{path.name}.log")

    def open(self, path):
        raise AssertionError

@register
class Formless(Refusing):
    NAME, SUFFIX = "formless", ".formless"

    def write(self, source, path):
        for block in source.model.network.blocks:
            with forms_of(block):
                for op in block.ops:
                    if op.name == "relu":
                        raise MissingFormError("Formless", op, register="formless_of.register")

def refuse(path):
    print("half a page\\n" * 40)
    raise RuntimeError("operator Relu is unknown")
"""


def copy(finished: Run, name: str) -> Path:
    folder = finished.folder / "runs" / name
    shutil.copytree(finished.run_dir, folder)
    return folder


def export(finished: Run, folder: Path, *settings: str) -> tuple[int, str, str]:
    """Runs ``nas export``, which fails with one line and leaves ``deploy/`` as it was."""
    before = content_sha256(folder / "deploy")
    code, out, err = finished.nas("export", *SETTINGS, f"run_dir={folder}", *settings)
    if code:
        assert code == 2
        assert len(err.splitlines()) == 1 and err.startswith("error: ")
        assert content_sha256(folder / "deploy") == before
    return code, out, err


@pytest.fixture
def refusing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Formats of a plug-in: the converter of one fails, the other lacks an operation."""
    formats.format_names()
    for name in ("_items", "_origins"):
        monkeypatch.setattr(formats._FORMATS, name, dict(getattr(formats._FORMATS, name)))
    (tmp_path / "refusing_format.py").write_text(REFUSING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "refusing_format", raising=False)
    importlib.import_module("refusing_format")


@pytest.mark.usefixtures("refusing")
def test_a_converter_that_fails(finished: Run) -> None:
    folder = copy(finished, "refusing")
    code, _, err = export(finished, folder, "export.formats=[onnx,refusing]")
    assert code == 2
    log = folder / "logs" / "winner.refusing.log"
    assert re.search(
        r"winner\.refusing was not written: the converter failed \(RuntimeError: operator Relu is unknown\); "
        rf"its output is in .*{log.name}\. The format does not know relu, an operation of stem block 0 "
        r"\(conv\) and \d+ other blocks\. The search space mini has no choice without it there$",
        err.strip(),
    ), err
    assert log.read_text().count("half a page") == 40


@pytest.mark.usefixtures("refusing")
def test_a_format_without_a_form_of_an_operation(finished: Run) -> None:
    folder = copy(finished, "formless")
    code, _, err = export(finished, folder, "export.formats=[onnx,formless]")
    assert code == 2
    assert re.search(
        r"winner\.formless was not written: no Formless form for Activation; register one with "
        r"formless_of\.register\. The format does not know relu, an operation of stem block 0 \(conv\) "
        r"and \d+ other blocks\. The search space mini has no choice without it there$",
        err.strip(),
    ), err


@pytest.mark.parametrize("has_record", [True, False])
def test_files_that_the_run_has_not_written(finished: Run, has_record: bool) -> None:
    folder = copy(finished, f"foreign_{has_record}")
    (folder / "deploy" / "notes.txt").write_text("mine")
    if not has_record:
        (folder / "deploy" / "step.json").unlink()
    code, _, err = export(finished, folder, "export.parity_images=4")
    assert code == 2
    shown = "notes.txt" if has_record else "manifest.json"
    assert re.search(
        rf"deploy holds .*{shown}.*, which no export of this run has written; move it to another", err
    )


@pytest.mark.parametrize("damage", ["", "{", '{"outputs": 3}'])
def test_a_damaged_record_is_named(finished: Run, damage: str) -> None:
    folder = copy(finished, f"damaged_record_{len(damage)}")
    before = sorted(path.name for path in (folder / "deploy").iterdir())
    (folder / "deploy" / "step.json").write_text(damage)
    code, _, err = export(finished, folder)
    assert code == 2
    assert re.search(
        r"deploy/step\.json is damaged; .* Move the folder elsewhere and export again$", err.strip()
    )
    assert sorted(path.name for path in (folder / "deploy").iterdir()) == before


def test_files_of_another_run_are_replaced_as_a_whole(finished: Run) -> None:
    folder = copy(finished, "other")
    record = read_record(folder / "deploy")
    assert record is not None
    record["inputs"]["trained networks"] = "0"
    write_record(folder / "deploy", record)
    code, out, err = export(finished, folder)
    assert code == 0, err
    assert "deploy: done again, because the trained networks changed" in out
    assert (folder / "deploy.previous" / "winner.onnx").is_file()


def test_a_file_that_computes_something_else_is_kept_aside(finished: Run) -> None:
    folder = copy(finished, "wrong")
    code, _, err = export(finished, folder, "export.tolerance=1e-12")
    assert code == 2
    assert "does not compute what the trained network computes" in err
    assert "The file is kept as runs/wrong/rejected/winner.onnx.rejected" in err.replace(
        str(finished.folder) + "/", ""
    )
    assert (folder / "rejected" / "winner.onnx.rejected").is_file()


def test_few_images_to_calibrate_on(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.quantization.ENOUGH", 100)
    code, out, err = export(finished, copy(finished, "few"), "export.formats=[onnx,onnx_int8]")
    assert code == 0, err
    assert (
        "deploy: warning: onnx_int8: 36 training images to calibrate on; with 100 or more, the files " in out
    )


def test_a_device_whose_runtime_is_not_here_gets_its_files(finished: Run) -> None:
    folder = copy(finished, "elsewhere")
    code, out, err = export(finished, folder, "device.machine=a phone")
    assert code == 0, err
    assert (
        "deploy: warning: the files were exported but not measured: device this_machine is a phone, but "
        in out
    )


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB: the kit that measures the files holds 4 MB of reference models."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here; root may")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_up_during_conversion(finished: Run, tiny_disk: Path) -> None:
    folder = tiny_disk / "run"
    shutil.copytree(finished.run_dir, folder, ignore=shutil.ignore_patterns("kit", "measured", "*.previous"))
    room = 24 * 1024 - shutil.disk_usage(tiny_disk).free
    (tiny_disk / "ballast").write_bytes(bytes(-room))
    settings = ("export.formats=[ort]", "finish.baseline_widths=[0.1]")
    code, _, err = export(finished, folder, *settings)
    assert code == 2
    assert re.search(
        r"cannot write to .* \(no space left on device\); make room and repeat the command", err
    ), err
    (tiny_disk / "ballast").unlink()
    code, _, err = export(finished, folder, *settings)
    assert code == 0, err
    assert (folder / "deploy" / "winner.ort").is_file()


def test_a_prediction_is_of_the_precision_of_the_file(finished: Run) -> None:
    folder = copy(finished, "predicted")
    table = load_table(folder / "scale" / "table.json")
    assert isinstance(table.model, BlockModel)
    fast = {key: dataclasses.replace(cost, ms=cost.ms / 3) for key, cost in table.model.costs.items()}
    int8 = dataclasses.replace(
        table,
        name="int8",
        device=dataclasses.replace(table.device, precision="int8"),
        model=BlockModel(fast, table.model.correction),
    )
    network = NetworkSpec.from_dict(read_json(folder / "scale" / "scale.json")["network"])
    settings = ("export.formats=[onnx,onnx_int8,pytorch]", "finish.baseline_widths=[0.1]")
    for expected in (None, int8.predict(network)):
        if expected is not None:
            int8.save(folder / "table" / "int8.json")
        code, _, err = export(finished, folder, *settings)
        assert code == 0, err
        files = {each.format: each for each in read_manifest(folder / "deploy") if each.name == "winner"}
        assert files["onnx"].predicted_ms == pytest.approx(table.predict(network))
        assert files["onnx_int8"].predicted_ms == (None if expected is None else pytest.approx(expected))
        assert files["pytorch"].predicted_ms is None
        shutil.rmtree(folder / "deploy")


@pytest.mark.long
def test_every_format_whose_packages_are_installed(finished: Run) -> None:
    folder, winner_alone = copy(finished, "all"), "finish.baseline_widths=[]"
    code, _, err = finished.nas("finish", *SETTINGS, f"run_dir={folder}", winner_alone)
    assert code == 0, err
    settings = (winner_alone, "export.formats=all", "export.parity_images=8")
    code, out, err = export(finished, folder, *settings)
    assert code == 0, err
    files = {each.format: each for each in read_manifest(folder / "deploy", check_files=True)}
    for name in formats.format_names():
        kind = formats.find_format(name)
        if kind.missing():
            assert f"deploy: {name} skipped, needs {', '.join(kind.missing())}: {kind.install_command}" in out
            assert name not in files
            continue
        if kind.ENVIRONMENT is not None and kind.lacks_converter():
            assert f"deploy: {name} skipped, needs {kind.ENVIRONMENT.describe()}: export.install=true" in out
            assert name not in files
            continue
        assert name in files, f"{name} failed: {out}"
        assert files[name].parity is not None, files[name].note
        assert files[name].test_total
