"""``nas kit``: writes a kit that measures a latency table on a device without this package."""

from __future__ import annotations

import sys

from nas.cli import commands
from nas.cli.hydra.app import Command

COMMAND = Command(
    name="kit",
    summary="writes a measurement kit for a device without hwnas",
    reads=("data", "device", "table", "kit"),
    body=commands.kit,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
