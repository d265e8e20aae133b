"""``nas train``: trains the supernet."""

from __future__ import annotations

import sys

from nas.cli import commands
from nas.cli.hydra.app import Command

COMMAND = Command(
    name="train",
    summary="trains the supernet",
    reads=("compute", "checkpoint", "data", "train", "tracker"),
    body=commands.train,
    joins=True,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
