"""A PostgreSQL server of one's own."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import free_port
from tests.search.trials.servers import PASSWORD, server_folder, wait_until_ready


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Starts a server as a user without privileges, with its log in a folder, and gives its URL."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    psycopg = pytest.importorskip(
        "psycopg", reason="no driver here: pip install 'hwnas[postgresql]'", exc_type=ImportError
    )
    folder.mkdir()
    with server_folder() as (place, user), (folder / "log").open("w") as log:
        secret = place / "password"
        secret.write_text(PASSWORD)
        if user:
            shutil.chown(secret, "nobody")
        data = place / "data"
        options = ["-A", "scram-sha-256", "-U", "me", f"--pwfile={secret}", "--no-sync"]
        subprocess.run(
            [programs[-1] / "initdb", "-D", data, *options], check=True, capture_output=True, **user
        )
        port = free_port()  # only now: in the seconds before, another program could have taken it
        command = [programs[-1] / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", place]
        server = subprocess.Popen([*command, "-F"], stdout=log, stderr=log, **user)
        url = f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/postgres"
        try:
            wait_until_ready(
                lambda: psycopg.connect(url, connect_timeout=2),
                refusal=psycopg.OperationalError,
                is_running=lambda: server.poll() is None,
                log=folder / "log",
            )
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # without waiting for clients
            server.wait(timeout=20)
