"""Optuna's dashboard opens the journal of a search."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from nas.search import search
from tests.search.problems import tiny, tiny_study, two_goals


def test_the_dashboard_shows_the_study(tmp_path: Path) -> None:
    pytest.importorskip("optuna_dashboard", reason="no dashboard here: pip install 'hwnas[dashboard]'")
    search(tiny_study(two_goals(bound_ms=0.6), sampler="nsga2", trials=8), folder=tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name("optuna-dashboard")
    command = [program, tmp_path / "journal.log", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        studies = ask(f"http://127.0.0.1:{port}/api/studies", server)["study_summaries"]
        study = ask(f"http://127.0.0.1:{port}/api/studies/{studies[0]['study_id']}", server)
    finally:
        server.kill()
        server.wait()
    assert [each["study_name"] for each in studies] == ["search"]
    assert study["directions"] == ["maximize", "minimize"]
    complete = [trial for trial in study["trials"] if trial["state"] == "Complete"]
    assert len(complete) >= 8
    names = {param["name"] for param in complete[0]["params"]}
    assert names == {str(dimension) for dimension in tiny().dimensions}


def ask(url: str, server: subprocess.Popen[bytes]) -> Any:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail("the dashboard does not answer")
            time.sleep(0.2)
