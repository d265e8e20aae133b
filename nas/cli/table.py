"""``nas table``: measures a latency table here or on another device, fits or imports one."""

from __future__ import annotations

import sys

from nas.cli import commands
from nas.cli.hydra.app import Command

COMMAND = Command(
    name="table",
    summary="measures a latency table here or on a device, fits or imports one",
    reads=("data", "device", "table"),
    body=commands.table,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
