"""A terminal of 80 columns: what a program prints there, line by line as it was on the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS, ROWS = 80, 40
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")


@dataclass(frozen=True)
class Shown:
    """What a terminal got.

    Attributes:
        code: The exit code.
        raw: Everything, with the codes that move the cursor and set colours.
    """

    code: int
    raw: str

    @property
    def lines(self) -> list[str]:
        """All lines that ever stood there, those that were replaced included."""
        return [line.rstrip() for line in re.split(r"[\r\n]+", _CODES.sub("", self.raw))]

    @property
    def is_coloured(self) -> bool:
        return _COLOUR.search(self.raw) is not None


def on_terminal(
    arguments: Sequence[str], *, folder: Path, variables: Mapping[str, str] | None = None
) -> Shown:
    """Runs Python with these arguments in a terminal of 80 columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    hidden = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")
    known = {name: value for name, value in os.environ.items() if name not in hidden}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**known, "TERM": "xterm-256color", **(variables or {})},
    )
    os.close(follower)
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # Linux: the last writer is gone
            break
        if not part:
            break
        parts.append(part)
    os.close(leader)
    return Shown(process.wait(), b"".join(parts).decode("utf-8"))
