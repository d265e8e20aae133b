"""``python -m tools.mutants --seed N``: draws mutants, runs their tests, reports how many are killed.

A mutant is killed when a test fails or exceeds its time, but passes without it. Results are saved in
``build/mutants/COMMIT``, and the same command continues from there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools.mutants import covering, forked, report, trees
from tools.mutants.covering import Covering
from tools.mutants.finding import Mutant, draw
from tools.mutants.lane import Lane

PLACES = (
    "nas/space",
    "nas/network",
    "nas/latency/models",
    "nas/latency/estimate",
    "nas/gaussian.py",
    "nas/search",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 if enough mutants are killed."""
    options = _parse(arguments)
    folder = trees.commit_folder()
    drawn = draw(trees.ROOT, options.places, count=options.count, seed=options.seed)
    covered = _recorded(folder, options)
    results = folder / f"seed-{options.seed}.jsonl"
    done = report.read_results(results)
    waiting = [mutant for mutant in drawn if mutant.id not in done]
    if waiting:
        _run(folder, waiting, covered, results, workers=options.workers)
    return report.write(drawn, report.read_results(results), folder / f"seed-{options.seed}.md")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, required=True, help="determines the drawn mutants")
    parser.add_argument("--count", type=int, default=150, help="number of drawn mutants")
    parser.add_argument("--workers", type=int, default=2, help="processes that run tests")
    parser.add_argument("--places", nargs="+", default=PLACES, help="files and folders to mutate")
    parser.add_argument("--tests", nargs="+", default=["tests"], help="tests to record and run")
    return parser.parse_args(arguments)


def _recorded(folder: Path, options: argparse.Namespace) -> Covering:
    tree, recorded = folder / "tree-0", folder / "recorded"
    tests = " ".join(options.tests)
    if not recorded.exists() or recorded.read_text("utf-8") != tests:
        trees.check_out(tree)
        covering.record(tree, folder, package="nas", tests=options.tests, workers=options.workers)
        recorded.write_text(tests, encoding="utf-8")
    return covering.read(tree, folder)


def _run(folder: Path, mutants: Sequence[Mutant], covered: Covering, results: Path, *, workers: int) -> None:
    """Forks workers. Each has its own tree and runs every ``workers``-th mutant."""
    forked.load_libraries()
    children = []
    for number in range(workers):
        tree = folder / f"tree-{number}"
        if not tree.exists():
            trees.copy(folder / "tree-0", tree)
        child = os.fork()
        if child == 0:
            _work(Lane(tree, covered), mutants[number::workers], results)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    if any(statuses):
        raise SystemExit("a worker failed; start again, which keeps the results so far")


def _work(lane: Lane, mutants: Sequence[Mutant], results: Path) -> None:
    code = 1
    try:
        for mutant in mutants:
            start = time.monotonic()
            outcome = lane.outcome(mutant) | {"seconds": round(time.monotonic() - start, 1)}
            with results.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"mutant": mutant.id, **outcome}) + "\n")
            print(f"{outcome['outcome']:9} {outcome['seconds']:6.1f} s  {mutant.id}", flush=True)
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
