"""Servers of one's own, from the packages of the distribution, for the time of a test."""

from __future__ import annotations

import os
import pwd
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "not-to-be-shown"


def owner(folder: Path) -> dict[str, Any]:
    """How to start a server: root may not run one; its folders are then opened for ``nobody``."""
    if os.getuid() != 0:
        return {}
    shutil.chown(folder, "nobody")
    for parent in folder.parents:
        if parent.owner() == "root" and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    return {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": [], "cwd": folder}


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
