"""A kit where there is numpy and a runtime and nothing else, with the oldest Python that is at hand."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nas.hardware import Device
from nas.latency import load_table
from nas.latency.kit.packing import pack_folder
from nas.latency.measure.table import write_plan
from nas.latency.plan.plan import plan_table

OLDEST, NEWEST = 9, 14
PACKAGES = ("numpy", "onnxruntime")


def pythons():
    """The interpreters at hand, from 3.9 on, the oldest first."""
    for minor in range(OLDEST, NEWEST):
        if path := shutil.which(f"python3.{minor}"):
            yield path
        for root in (Path.home() / ".pyenv", Path(os.environ.get("PYENV_ROOT", "/opt/pyenv"))):
            yield from map(str, sorted((root / "versions").glob(f"3.{minor}.*/bin/python3.{minor}")))


def installer(environment):
    """uv where it is, in a fifth of pip's time."""
    if uv := shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"):
        return uv, "pip", "install", "--python", str(environment)
    return str(environment / "bin" / "pip"), "install"


def runs(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The Python of a fresh environment with only numpy and onnxruntime."""
    folder = tmp_path_factory.mktemp("elsewhere")
    said = []
    for python in pythons():
        if runs(python, "--version").returncode != 0:  # a shim of a version that is not installed
            continue
        made = runs(python, "-m", "venv", str(folder / "env"))
        if made.returncode == 0:
            made = runs(
                str(folder / "env/bin/pip"), "install", "--quiet", "--only-binary", ":all:", *PACKAGES
            )
        if made.returncode == 0:
            return folder / "env" / "bin" / "python"
        said.append(f"{python}: {(made.stderr or made.stdout).strip().splitlines()[-1:]}")
        shutil.rmtree(folder / "env", ignore_errors=True)
    pytest.skip(
        f"no Python ≥ 3.9 here can make an environment with {' and '.join(PACKAGES)} ({'; '.join(said)}); "
        "python3.9 with its venv and a package index would let this run"
    )


@pytest.mark.long
def test_a_kit_is_measured_with_numpy_and_onnxruntime_alone(elsewhere, small_space, tmp_path):
    plan = plan_table(
        small_space, budget_s=5, classes=10, correction_networks=3, validation_networks=3, resolutions=[8]
    )
    kit = write_plan(plan, tmp_path / "kit", device=Device(name="board"))
    names = ["manifest.json", "measure.pyz", *(entry["file"] for entry in kit.entries)]
    pack_folder(kit.folder, names, tmp_path / "kit.zip")
    found = runs(str(elsewhere), "-m", "pip", "list", "--format=json")
    assert "onnx" not in {package["name"] for package in json.loads(found.stdout)}
    for packed, table in ((kit.folder, "folder.json"), (tmp_path / "kit.zip", "zip.json")):
        done = runs(str(elsewhere), str(kit.folder / "measure.pyz"), str(packed), str(tmp_path / table))
        assert done.returncode == 0, done.stderr
        measured = load_table(tmp_path / table)
        assert measured.name == "small-board"
        assert measured.accuracy.networks == 3
        smallest = small_space.network(small_space.smallest(), classes=10)
        assert measured.predict(smallest) > 0
