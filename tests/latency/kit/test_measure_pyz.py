"""A kit where there is numpy and a runtime and nothing else, with Pythons older than ``nas`` needs."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from nas.hardware import Device
from nas.latency import load_table
from nas.latency.kit.packing import pack_folder
from nas.latency.measure.table import write_plan
from nas.latency.plan.plan import plan_table

PACKAGES = ("numpy", "onnxruntime")


def interpreters(version):
    """The interpreters of a version at hand."""
    if path := shutil.which(f"python{version}"):
        yield path
    for root in (Path.home() / ".pyenv", Path(os.environ.get("PYENV_ROOT", "/opt/pyenv"))):
        yield from map(str, sorted((root / "versions").glob(f"{version}.*/bin/python{version}")))


def runs(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", params=["3.9", "3.10"])
def elsewhere(request, tmp_path_factory):
    """The Python of a fresh environment with only numpy and onnxruntime; ``nas`` itself needs 3.11."""
    folder = tmp_path_factory.mktemp("elsewhere")
    reasons = []
    for python in interpreters(request.param):
        if runs(python, "--version").returncode != 0:  # a shim of a version that is not installed
            continue
        done = runs(python, "-m", "venv", str(folder / "env"))
        if done.returncode == 0:
            done = runs(
                str(folder / "env/bin/pip"), "install", "--quiet", "--only-binary", ":all:", *PACKAGES
            )
        if done.returncode == 0:
            return folder / "env" / "bin" / "python"
        reasons.append(f"{python}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
        shutil.rmtree(folder / "env", ignore_errors=True)
    pytest.skip(
        f"no Python {request.param} here can make an environment with {' and '.join(PACKAGES)} "
        f"({'; '.join(reasons)}); python{request.param} with its venv and a package index would let this run"
    )


@pytest.mark.long
def test_a_kit_is_measured_with_numpy_and_onnxruntime_alone(elsewhere, small_space, tmp_path):
    plan = plan_table(
        small_space, budget_s=5, classes=10, correction_networks=3, validation_networks=3, resolutions=[8]
    )
    kit = write_plan(plan, tmp_path / "kit", device=Device(name="board"))
    names = ["manifest.json", "measure.pyz", *(entry["file"] for entry in kit.entries)]
    pack_folder(kit.folder, names, tmp_path / "kit.zip")
    packages = runs(str(elsewhere), "-m", "pip", "list", "--format=json")
    assert "onnx" not in {package["name"] for package in json.loads(packages.stdout)}
    for packed, table in ((kit.folder, "folder.json"), (tmp_path / "kit.zip", "zip.json")):
        done = runs(str(elsewhere), str(kit.folder / "measure.pyz"), str(packed), str(tmp_path / table))
        assert done.returncode == 0, done.stderr
        measured = load_table(tmp_path / table)
        assert measured.name == "small-board"
        assert measured.accuracy.networks == 3
        smallest = small_space.network(small_space.smallest(), classes=10)
        assert measured.predict(smallest) > 0
