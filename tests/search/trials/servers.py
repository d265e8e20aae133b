"""Servers of one's own, from the packages of the distribution, for the time of a test."""

from __future__ import annotations

import os
import pwd
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

PASSWORD = "not-to-be-shown"


@contextmanager
def server_folder() -> Iterator[tuple[Path, dict[str, Any]]]:
    """A folder for a server's data, and the arguments of ``subprocess`` that start the server there.

    Root may not run these servers, so for root they run as ``nobody``. The folder lies outside pytest's:
    each session of pytest that begins closes that one to others again, and a server whose path is closed
    ends at its next checkpoint, minutes later.
    """
    with TemporaryDirectory(prefix="hwnas-server-") as name:
        folder = Path(name)
        if os.getuid() != 0:
            yield folder, {}
        else:
            shutil.chown(folder, "nobody")
            group = pwd.getpwnam("nobody").pw_gid
            yield folder, {"user": "nobody", "group": group, "extra_groups": [], "cwd": folder}


def wait_until_ready(
    connect: Callable[[], Any],
    *,
    refusal: type[Exception],
    is_running: Callable[[], bool],
    log: Path | None = None,
) -> None:
    """Connects until the server answers; fails with its log if it ends or stays silent."""
    deadline = time.monotonic() + 120
    while True:
        try:
            connect().close()
            return
        except refusal:
            if not is_running() or time.monotonic() > deadline:
                pytest.fail(f"the server did not start: {log.read_text() if log else refusal}")
            time.sleep(0.1)
