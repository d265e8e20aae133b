"""A MariaDB server of one's own, which stands for MySQL."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import free_port
from tests.search.trials.servers import PASSWORD, owner, wait_until_ready

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
    """Starts a server in a folder, as a user without privileges, and gives its URL."""
    install = shutil.which("mariadb-install-db")
    if install is None or not Path(SERVER).exists():
        pytest.skip("no MariaDB server here: apt-get install mariadb-server")
    pymysql = pytest.importorskip("pymysql", reason="no driver here: pip install 'hwnas[mysql]'")
    folder.mkdir()
    user = owner(folder)
    (folder / "first.sql").write_text(FIRST.lstrip())
    data = folder / "data"
    place = ["--no-defaults", f"--datadir={data}"]
    options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run([install, *place, *options], check=True, capture_output=True, **user)
    port = free_port()  # only now: in the seconds before, another program could have taken it
    command = [SERVER, *place, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/socket"]
    command += [f"--pid-file={folder}/pid", f"--init-file={folder}/first.sql"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--innodb-flush-log-at-trx-commit=0"], stdout=log, stderr=log, **user
        )
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
