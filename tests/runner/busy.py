"""A program that keeps a CPU busy, for tests of what is measured beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def busy_program() -> Iterator[None]:
    """Runs an endless loop in a process of its own while the body runs."""
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        loop.kill()
        loop.wait()
