"""``python -m nas.latency.runner KIT SAMPLES``: measures a kit on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .errors import RunnerError
from .measure import measure_kit
from .protocol import Progress


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0, or 2 for a fault that the user can put right."""
    parser = argparse.ArgumentParser(
        prog="measure", description="Measures the models of a kit on this machine."
    )
    parser.add_argument("kit", type=Path, help="folder of the kit")
    parser.add_argument(
        "samples", type=Path, help="file for the raw samples (.jsonl); measuring goes on where it ends"
    )
    given = parser.parse_args(arguments)
    try:
        measure_kit(given.kit, given.samples, progress=_show)
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"\nwrote {given.samples}", file=sys.stderr)
    return 0


def _show(progress: Progress) -> None:
    if progress.done % 20 == 0:
        left = f"{progress.done}/{progress.total} windows, {progress.seconds_left:.0f} s left"
        print(f"\r{left:50}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
