"""``nas search``: searches a trained supernet for accuracy and predicted latency."""

from __future__ import annotations

import sys

from nas.cli import commands
from nas.cli.hydra.app import Command

COMMAND = Command(
    name="search",
    summary="searches a trained supernet for accuracy and predicted latency",
    reads=("compute", "data", "device", "train", "table", "search", "tracker"),
    body=commands.search,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
