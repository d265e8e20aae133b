"""``nas table``: measures a latency table on this machine."""

from __future__ import annotations

import sys

from nas.cli import steps
from nas.cli.app import Command

COMMAND = Command(
    name="table",
    summary="measures a latency table on this machine",
    reads=("data", "device", "table"),
    body=steps.table,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
