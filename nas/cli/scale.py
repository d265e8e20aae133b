"""``nas scale``: scales the winner of a search to a latency budget."""

from __future__ import annotations

import sys

from nas.cli import commands
from nas.cli.hydra.app import Command

COMMAND = Command(
    name="scale",
    summary="scales the winner of a search to a latency budget",
    reads=("device", "table", "scale"),
    body=commands.scale,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
