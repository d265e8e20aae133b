"""What is installed works without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("nas", "conf", "search_spaces", "latency_tables", "published_accuracies")
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: building leaves its traces in the source folder."""
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(copy / "dist")]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = (copy / "dist").glob("*.whl")
    return path


def run(command: list[str], folder: Path, **environment: str) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV"))}
    done = subprocess.run(
        command, cwd=folder, env=clean | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_code_configuration_spaces_and_tables(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {f"nas/{path.relative_to(ROOT)}" for path in ROOT.glob("conf/**/*.yaml")}
    expected |= {f"nas/{path.relative_to(ROOT)}" for path in ROOT.glob("search_spaces/*.yaml")}
    expected |= {f"nas/{path.relative_to(ROOT)}" for path in ROOT.glob("latency_tables/*.json")}
    expected |= {f"nas/{path.relative_to(ROOT)}" for path in ROOT.glob("published_accuracies/**/*.json")}
    expected |= {str(path.relative_to(ROOT)) for path in ROOT.glob("nas/**/*.py")} | {"nas/py.typed"}
    page = ROOT / "nas" / "report" / "page"
    expected |= {
        str(path.relative_to(ROOT)) for part in ("static", "templates") for path in (page / part).glob("*.*")
    }
    assert expected <= names
    others = {name for name in names - expected if ".dist-info/" not in name}
    assert others == set()


def test_the_wheel_works_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    package, empty = tmp_path / "package", tmp_path / "empty"
    zipfile.ZipFile(wheel).extractall(package)
    empty.mkdir()
    code = "from nas.space import SearchSpace; print(SearchSpace.load('tiny_32').name)"
    assert run([sys.executable, "-c", code], empty, PYTHONPATH=str(package)) == "tiny_32\n"
    nas = [sys.executable, "-m", "nas.cli", "run", "experiment=quickstart", "--cfg", "job"]
    assert "space: tiny_24\n" in run(nas, empty, PYTHONPATH=str(package))
    assert list(empty.iterdir()) == []


@pytest.mark.long
def test_the_installed_wheel_runs_the_quickstart_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    environment, empty = tmp_path / "venv", tmp_path / "empty"
    empty.mkdir()
    run([sys.executable, "-m", "venv", str(environment)], tmp_path)
    binaries = environment / ("Scripts" if os.name == "nt" else "bin")
    run([str(binaries / "python"), "-m", "pip", "install", "--quiet", str(wheel)], tmp_path)
    shown = run([str(binaries / "nas"), "run", "experiment=quickstart"], empty)
    assert "mobilenet_v2" in shown
    run_dir = empty / "runs" / "quickstart"
    for name in ("config.yaml", "provenance.json", "report.html", "nas.log", "deploy/manifest.json"):
        assert (run_dir / name).is_file(), name
    again = run([str(binaries / "nas"), "run", "experiment=quickstart"], empty)
    assert "supernet: already done, skipped" in again
