"""Environments of converters: installed once, by one process, completely or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nas.deploy.environments import COMPLETE, Environment
from nas.deploy.formats.litert import LiteRt
from nas.errors import UserError

INSTALL = """
import sys
from pathlib import Path
from nas.deploy.environments import Environment

made = Environment(name="tiny", requirements=("--no-index", sys.argv[1]), download_mb=1, disk_mb=1)
made.install(log=Path(sys.argv[2]))
print(made.python)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A package of one module."""
    path = tmp_path / "tiny_converter-1.0-py3-none-any.whl"
    info = "tiny_converter-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_converter.py", "ANSWER = 42\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-converter\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def tiny(requirement: Path | str, *, disk_mb: int = 1) -> Environment:
    return Environment(
        name="tiny", requirements=("--no-index", str(requirement)), download_mb=1, disk_mb=disk_mb
    )


@pytest.mark.long  # two processes, and a virtual environment with pip
def test_two_processes_install_once_over_what_an_interruption_left(wheel: Path, tmp_path: Path) -> None:
    made = tiny(wheel)
    made.folder.mkdir(parents=True)
    (made.folder / "half").touch()
    assert not made.is_complete
    logs = [tmp_path / "first.log", tmp_path / "second.log"]
    processes = [
        subprocess.Popen([sys.executable, "-c", INSTALL, str(wheel), str(log)], stdout=subprocess.PIPE)
        for log in logs
    ]
    outputs = [process.communicate()[0].decode().strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs == [str(made.python)] * 2
    assert sum(log.exists() for log in logs) == 1, "the second process waits, and installs nothing"
    assert made.is_complete and not (made.folder / "half").exists()
    code = "import tiny_converter; print(tiny_converter.ANSWER)"
    done = subprocess.run([str(made.python), "-I", "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"42"
    made.install(log=tmp_path / "third.log")
    assert not (tmp_path / "third.log").exists()


@pytest.mark.long  # a virtual environment with pip
def test_a_failed_installation_leaves_nothing_and_names_its_log(tmp_path: Path) -> None:
    made, log = tiny("no-such-converter"), tmp_path / "logs" / "install.log"
    with pytest.raises(
        UserError, match=r"was not installed \(No matching distribution .*\); nothing"
    ) as error:
        made.install(log=log)
    assert "\n" not in str(error.value) and str(error.value).endswith(f"the output is in {log}")
    assert "no-such-converter" in log.read_text()
    assert not made.folder.exists() and not made.is_complete


def test_too_little_room_is_known_before_anything_is_installed(tmp_path: Path) -> None:
    made = tiny("anything", disk_mb=10**9)
    with pytest.raises(
        UserError, match=r"takes 1,000,000,000 MB, but .* left; make room there, or set XDG_CAC"
    ):
        made.install(log=tmp_path / "install.log")
    assert not made.folder.exists() and not (tmp_path / "install.log").exists()


@pytest.mark.skipif(os.name != "posix", reason="a file in the folder's place is another error there")
def test_a_cache_that_cannot_be_written_is_one_line(cache: Path, tmp_path: Path) -> None:
    cache.touch()
    with pytest.raises(UserError, match=r"cannot be written \(Not a directory\); set XDG_CACHE_HOME"):
        tiny("anything").install(log=tmp_path / "install.log")


def test_an_environment_depends_on_what_is_installed_in_it() -> None:
    assert tiny("a").folder == tiny("a").folder != tiny("b").folder


def test_a_format_says_what_would_be_installed_and_installs_nothing(cache: Path, tmp_path: Path) -> None:
    made = LiteRt.ENVIRONMENT
    assert made is not None
    message = r"litert needs litert-torch==.* in an environment of their own, .* \(downloads [\d,]+ MB, takes"
    with pytest.raises(UserError, match=message) as error:
        LiteRt().prepare(install=False, logs=tmp_path)
    assert "\n" not in str(error.value) and str(error.value).endswith("; export.install=true installs it")
    assert str(made.folder) in str(error.value) and cache in made.folder.parents
    assert not cache.exists()
    LiteRt().require_converter(install=True)
    made.folder.mkdir(parents=True)
    assert LiteRt().lacks_converter()
    (made.folder / COMPLETE).touch()
    LiteRt().prepare(install=False, logs=tmp_path)
