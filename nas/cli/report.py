"""``nas report``: writes the report of a run."""

from __future__ import annotations

import sys

from nas.cli import commands
from nas.cli.hydra.app import Command

COMMAND = Command(
    name="report",
    summary="writes the report of a run",
    reads=(),
    body=commands.report,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
