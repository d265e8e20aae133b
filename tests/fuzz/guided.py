"""Inputs guided by coverage: one that reaches new code of ``nas`` is kept, and changed further.

    python -m tests.fuzz.guided texts.block_keys --seconds 60

Random changes (``test_parsers.py``) begin from a valid input each time, and rarely pass two comparisons.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]

FLAGS = ("-reduce_inputs=0", "-len_control=0", "-timeout=60", "-rss_limit_mb=8192")
"""Long inputs stay, since they reach more once they are changed; a process that hangs ends. Linux counts the
peak memory of the process that has started another one as the other one's, and a suite takes gigabytes."""


@dataclass(frozen=True)
class Outcome:
    """What a run found.

    Attributes:
        inputs: How many were parsed.
        coverage: Branches of ``nas`` that the valid inputs reach, and those that all inputs reach.
        faults: The first input of each kind of fault.
    """

    inputs: int
    coverage: tuple[int, int]
    faults: tuple[str, ...]

    def __str__(self) -> str:
        before, after = self.coverage
        return "\n".join((f"{self.inputs:,} inputs, {before} → {after} branches", *self.faults))


def guided(maker: str, *, inputs: int = -1, seconds: int = 0, seed: int = 1) -> Outcome:
    """Runs a parser, ``texts.block_keys``, for so many inputs (-1: no limit) or seconds (0: no limit)."""
    with TemporaryDirectory() as place:
        command = [sys.executable, "-m", "tests.fuzz.libfuzzer", maker, place, *FLAGS]
        command += [f"-runs={inputs}", f"-max_total_time={seconds}", f"-seed={seed}"]
        command += [f"-artifact_prefix={place}/"]
        process = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, encoding="utf-8")
        file = Path(place, "faults")
        faults = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
    states = re.findall(r"^#(\d+)\s+(?:INITED|DONE)\s+cov: (\d+)", process.stderr, re.MULTILINE)
    if process.returncode or len(states) != 2:
        faults.append(f"the process ended with {process.returncode}: {process.stderr[-2000:]}")
        states = [("0", "0")] * 2
    (_, before), (count, after) = states
    return Outcome(int(count), (int(before), int(after)), tuple(faults))


def main() -> int:
    """The command; returns 1 if there are faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided")
    parser.add_argument(
        "maker", metavar="PARSER", help="its function in tests/fuzz, such as texts.block_keys"
    )
    parser.add_argument("--inputs", type=int, default=-1)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    outcome = guided(**vars(parser.parse_args()))
    print(outcome)
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
