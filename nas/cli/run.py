"""``nas run``: does everything below, step by step; what is done already is skipped."""

from __future__ import annotations

import sys

from nas.cli import commands
from nas.cli.hydra.app import Command

COMMAND = Command(
    name="run",
    summary="does everything below, step by step; what is done already is skipped",
    reads=(
        "compute",
        "checkpoint",
        "data",
        "device",
        "train",
        "table",
        "search",
        "scale",
        "finish",
        "export",
        "tracker",
    ),
    body=commands.run,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
