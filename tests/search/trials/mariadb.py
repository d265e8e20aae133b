"""A MariaDB server of one's own, which stands for MySQL."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import free_port
from tests.search.trials.servers import PASSWORD, server_folder, wait_until_ready

SERVER = "/usr/sbin/mariadbd"
FIRST = f"""
CREATE DATABASE studies;
CREATE USER me@localhost IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON studies.* TO me@localhost;
CREATE USER reader@localhost IDENTIFIED BY '{PASSWORD}';
GRANT SELECT ON studies.* TO reader@localhost;
"""
"""What the server does when it starts, one statement a line."""


@contextmanager
def mariadb(folder: Path) -> Iterator[str]:
    """Starts a server as a user without privileges, with its log in a folder, and gives its URL."""
    install = shutil.which("mariadb-install-db")
    if install is None or not Path(SERVER).exists():
        pytest.skip("no MariaDB server here: apt-get install mariadb-server")
    pymysql = pytest.importorskip("pymysql", reason="no driver here: pip install 'hwnas[mysql]'")
    folder.mkdir()
    with server_folder() as (place, user), (folder / "log").open("w") as log:
        (place / "first.sql").write_text(FIRST.lstrip())
        data = place / "data"
        where = ["--no-defaults", f"--datadir={data}"]
        options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run([install, *where, *options], check=True, capture_output=True, **user)
        port = free_port()  # only now: in the seconds before, another program could have taken it
        command = [SERVER, *where, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={place}/socket"]
        command += [f"--pid-file={place}/pid", f"--init-file={place}/first.sql"]
        command += ["--innodb-flush-log-at-trx-commit=0"]
        server = subprocess.Popen(command, stdout=log, stderr=log, **user)
        try:
            wait_until_ready(
                lambda: pymysql.connect(
                    host="127.0.0.1", port=port, user="me", password=PASSWORD, database="studies"
                ),
                refusal=pymysql.MySQLError,
                is_running=lambda: server.poll() is None,
                log=folder / "log",
            )
            yield f"mysql://me:{PASSWORD}@127.0.0.1:{port}/studies"
        finally:
            server.terminate()
            server.wait(timeout=60)
