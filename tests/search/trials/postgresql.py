"""A PostgreSQL server of one's own, from the packages of the distribution, for the time of a test."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "not-to-be-shown"


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Starts a server in a folder, as a user without privileges, and gives its URL."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="no driver here: pip install 'hwnas[postgresql]'")
    folder.mkdir()
    owner = _owner(folder)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if owner:
        shutil.chown(secret, "nobody")
    data, port = folder / "data", _free_port()
    options = ["-A", "scram-sha-256", "-U", "me", f"--pwfile={secret}", "--no-sync"]
    subprocess.run([programs[-1] / "initdb", "-D", data, *options], check=True, capture_output=True, **owner)
    command = [programs[-1] / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([*command, "-F"], stdout=log, stderr=log, **owner)
    try:
        yield _wait(f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/postgres", server, folder / "log")
    finally:
        server.send_signal(signal.SIGINT)  # without waiting for clients
        server.wait(timeout=20)


def _owner(folder: Path) -> dict[str, Any]:
    """Root may not run the server; its folders are then opened for ``nobody``."""
    if os.getuid() != 0:
        return {}
    shutil.chown(folder, "nobody")
    for parent in folder.parents:
        if parent.owner() == "root" and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    return {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": [], "cwd": folder}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(url: str, server: subprocess.Popen[Any], log: Path) -> str:
    import psycopg

    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return url
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start: {log.read_text()}")
            time.sleep(0.1)
