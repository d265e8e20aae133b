"""``nas export``: exports the trained winner, checks parity and measures what ships."""

from __future__ import annotations

import sys

from nas.cli import commands
from nas.cli.hydra.app import Command

COMMAND = Command(
    name="export",
    summary="exports the trained winner, checks parity and measures what ships",
    reads=("compute", "data", "device", "finish", "export"),
    body=commands.export,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
