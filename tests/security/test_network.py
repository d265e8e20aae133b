"""A whole run with a private HOME, an API key in its environment, and no network but the loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.steps.test_cli_pipeline import ROOT, write_project

KEY = "0123456789abcdef0123456789abcdef01234567"

WATCH = """
import ipaddress, os, sys

def watch(event, arguments, path=os.environ["WATCHED"]):
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if isinstance(address, tuple) and not ipaddress.ip_address(address[0]).is_loopback:
            found = address[0]
        else:
            return
    elif event == "socket.getaddrinfo" and arguments[0] not in (None, "localhost", "127.0.0.1", "::1"):
        found = arguments[0]
    else:
        return
    with open(path, "a") as stream:
        stream.write(f"{event} {found}\\n")
    raise PermissionError(f"{event} {found}: no network but the loopback")

sys.addaudithook(watch)
"""
"""Python's own hook, in each process of the run: refuses and records connections and look-ups of names."""


@dataclass(frozen=True)
class Offline:
    """A finished run, and what it left outside its folder."""

    folder: Path
    home: Path
    watched: Path
    output: str


def without_network() -> list[str]:
    """The beginning of a command that runs without any network, where that is possible."""
    command = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None:
        return []
    return [] if subprocess.run([*command, "true"], check=False, capture_output=True).returncode else command


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Offline:
    folder = tmp_path_factory.mktemp("project")
    home, hook, watched = folder / "home", folder / "hook", folder / "watched.txt"
    write_project(folder)
    home.mkdir()
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(WATCH)
    environment = {
        **os.environ,
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(hook), str(ROOT)]),
        "WATCHED": str(watched),
        "WANDB_API_KEY": KEY,
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    for name in ("ORT_DISABLE_TELEMETRY", "WANDB_MODE"):
        environment.pop(name, None)
    done = subprocess.run(
        [*without_network(), sys.executable, "-m", "nas.cli", "run", "experiment=mini", "tracker=wandb"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Offline(folder, home, watched, done.stdout + done.stderr)


def test_the_watch_refuses_and_records(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "WATCHED": str(tmp_path / "watched.txt")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "no network but the loopback" in done.stderr
    assert "192.0.2.1" in (tmp_path / "watched.txt").read_text()


def test_a_run_asks_for_no_address(offline: Offline) -> None:
    assert not offline.watched.exists(), offline.watched.read_text()


def test_a_run_leaves_nothing_in_the_home_folder(offline: Offline) -> None:
    assert sorted(str(path.relative_to(offline.home)) for path in offline.home.rglob("*")) == []


def test_the_key_is_in_no_file_and_not_in_the_output(offline: Offline) -> None:
    assert KEY not in offline.output
    holding = [
        path for path in offline.folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()
    ]
    assert holding == []
