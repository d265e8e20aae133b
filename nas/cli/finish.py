"""``nas finish``: trains the winner and its baselines to completion."""

from __future__ import annotations

import sys

from nas.cli import commands
from nas.cli.hydra.app import Command

COMMAND = Command(
    name="finish",
    summary="trains the winner and its baselines to completion",
    reads=("compute", "checkpoint", "data", "finish", "tracker"),
    body=commands.finish,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
