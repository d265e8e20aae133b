"""``nas search``: searches a trained supernet for accuracy and predicted latency."""

from __future__ import annotations

import sys

from nas.cli import steps
from nas.cli.app import Command

COMMAND = Command(
    name="search",
    summary="searches a trained supernet for accuracy and predicted latency",
    reads=("compute", "data", "device", "train", "table", "search", "tracker"),
    body=steps.search,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main())
