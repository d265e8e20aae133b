"""``nas trust``: retrains some networks alone and compares them with the supernet's ranking."""

from __future__ import annotations

import sys

from nas.cli import commands
from nas.cli.hydra.app import Command

COMMAND = Command(
    name="trust",
    summary="trains some networks alone and compares: is the supernet's ranking right?",
    reads=("compute", "data", "train", "trust", "tracker"),
    body=commands.trust,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
