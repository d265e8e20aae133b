"""``python -m tools.mutants --seed N``: runs tests on mutants of the last commit, reports the share killed.

Everything lies in ``build/mutants``. The same command continues there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from tools.mutants.changes import Mutant, draw
from tools.mutants.suite import Suite, record

PLACES = ["nas/space", "nas/network", "nas/latency/models", "nas/latency/estimate", "nas/search"]
PLACES += ["nas/gaussian.py"]
TESTS = ["tests/space", "tests/network", "tests/search", "tests/latency", "tests/blocks", "tests/scoring"]
TESTS += ["tests/contracts/test_samplers.py", "tests/contracts/test_predictors.py"]
TESTS += ["tests/test_gaussian.py", "tests/test_published_tables.py"]
EQUIVALENT = Path("tools/mutants/equivalent.yaml")
KILLED, LISTED = 0.85, 0.1
"""The least share of killed mutants, and the largest share of equivalent ones."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 if enough mutants are killed."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, required=True, help="determines the drawn mutants")
    parser.add_argument("--count", type=int, default=150, help="number of drawn mutants")
    parser.add_argument("--workers", type=int, default=2, help="processes that run tests")
    parser.add_argument("--minutes", type=float, default=60, help="time after which the command ends")
    parser.add_argument("--places", nargs="+", default=PLACES, help="files and folders to mutate")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="tests to record and run")
    options = parser.parse_args(arguments)
    if _git("status", "--porcelain", "--", ".", f":!{EQUIVALENT}"):
        raise SystemExit("commit or stash your changes first: mutants are made of the last commit")
    tests = zlib.crc32(" ".join(options.tests).encode())
    folder = Path("build/mutants", f"{_git('rev-parse', '--short=12', 'HEAD')}-{tests:08x}").resolve()
    drawn = draw(options.places, count=options.count, seed=options.seed)
    try:
        asyncio.run(_run(folder, drawn, options))
    except (TimeoutError, KeyboardInterrupt) as end:
        print(
            "interrupted" if isinstance(end, KeyboardInterrupt) else f"{options.minutes:g} minutes are over"
        )
    return _report(drawn, _outcomes(folder))


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


async def _run(folder: Path, drawn: Sequence[Mutant], options: argparse.Namespace) -> None:
    """Runs the mutants that have no outcome, each worker in its own copy of the commit.

    The copies are written again each time: a process that was killed may have left a mutant in one.
    """
    trees = [folder / f"tree-{number}" for number in range(options.workers)]
    trees[0].mkdir(parents=True, exist_ok=True)
    _git("archive", f"--output={folder / 'commit.tar'}", "HEAD")
    subprocess.run(["tar", "-xf", folder / "commit.tar", "-C", trees[0]], check=True)
    packages = {place.partition("/")[0] for place in options.places}
    async with asyncio.timeout(60 * options.minutes):
        suite = await record(trees[0], options.tests, packages=packages, workers=options.workers)
        for tree in trees[1:]:
            shutil.copytree(trees[0], tree, dirs_exist_ok=True)
        outcomes = _outcomes(folder)
        waiting = iter([mutant for mutant in drawn if mutant.id not in outcomes])
        await asyncio.gather(*(_work(suite, waiting, tree) for tree in trees))


async def _work(suite: Suite, mutants: Iterator[Mutant], tree: Path) -> None:
    for mutant in mutants:
        start = time.monotonic()
        outcome, test = await suite.outcome(mutant, tree)
        seconds = round(time.monotonic() - start, 1)
        with (tree.parent / "outcomes.jsonl").open("a", encoding="utf-8") as stream:
            line = {"mutant": mutant.id, "outcome": outcome, "test": test, "seconds": seconds}
            stream.write(json.dumps(line) + "\n")
        print(f"{outcome:9} {seconds:6.1f} s  {mutant.id}", flush=True)


def _outcomes(folder: Path) -> dict[str, str]:
    """The outcome of each mutant so far, by its id."""
    path = folder / "outcomes.jsonl"
    lines = map(json.loads, path.read_text("utf-8").splitlines() if path.exists() else ())
    return {line["mutant"]: line["outcome"] for line in lines}


def _report(drawn: Sequence[Mutant], outcomes: Mapping[str, str]) -> int:
    """Prints each survivor and the share of killed mutants; 0 if enough are killed."""
    entries = yaml.safe_load(EQUIVALENT.read_text("utf-8"))
    reasons = {(entry["path"], entry["code"], entry["change"]): entry["reason"] for entry in entries}
    done = [mutant for mutant in drawn if mutant.id in outcomes]
    alive = [mutant for mutant in done if outcomes[mutant.id] in ("survived", "uncovered")]
    killed, equivalent = len(done) - len(alive), 0
    for mutant in alive:
        reason = reasons.get((mutant.path, mutant.code, mutant.change))
        equivalent += reason is not None
        note = f"equivalent: {reason}" if reason else outcomes[mutant.id]
        print(f"\n{mutant.path}:{mutant.line}: {mutant.change}\n    {mutant.code}\n    {note}")
    counted = len(done) - equivalent
    print(f"\n{killed} of {counted} mutants killed: {killed / max(counted, 1):.1%} ({KILLED:.0%} wanted)")
    print(f"{equivalent} of {len(done)} are equivalent (at most {LISTED:.0%} allowed)")
    if len(done) < len(drawn):
        print(f"{len(drawn) - len(done)} are left: run the same command again")
    return int(len(done) < len(drawn) or killed < KILLED * counted or equivalent > LISTED * len(done))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
