"""The tests that run each line, and their times, recorded once per commit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coverage import CoverageData

from tools.mutants.finding import Mutant


@dataclass(frozen=True)
class Covering:
    """A recorded run of the suite.

    Attributes:
        cpu_s: CPU seconds of each passed test during recording.
        lines: The tests that ran a line, by file and line.
    """

    cpu_s: dict[str, float]
    lines: dict[str, dict[int, set[str]]]

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that run a mutant's statement, cheapest first. At module level, all tests of its file."""
        lines = self.lines.get(mutant.path, {})
        tests: set[str] = set()
        if mutant.in_function:
            tests = set().union(*(lines.get(n, ()) for n in range(mutant.line, mutant.last_line + 1)))
        tests = tests or set().union(*lines.values())
        return sorted(tests & self.cpu_s.keys(), key=lambda test: (self.cpu_s[test], test))


def record(tree: Path, folder: Path, *, package: str, tests: Sequence[str], workers: int) -> None:
    """Runs tests in a tree; writes the coverage of a package and the tests' times to a folder."""
    times = folder / "times"
    shutil.rmtree(times, ignore_errors=True)
    times.mkdir(parents=True)
    config = folder / "settings.toml"
    config.write_text('[tool.coverage.run]\nparallel = true\npatch = ["subprocess"]\n', encoding="utf-8")
    places = {"MUTANTS_TIMES": str(times), "COVERAGE_FILE": str(folder / "coverage")}
    paths = os.pathsep.join([str(tree), str(Path(__file__).resolve().parents[2])])
    options = f"-q -p tools.mutants.timing --cov={package} --cov-context=test --cov-report="
    if workers > 1:
        options += f" -n {workers} --dist loadfile --no-loadscope-reorder --max-worker-restart=0"
    command = [sys.executable, "-m", "pytest", *options.split(), f"--cov-config={config}", *tests]
    subprocess.run(command, cwd=tree, env=os.environ | places | {"PYTHONPATH": paths}, check=False)


def read(tree: Path, folder: Path) -> Covering:
    """Reads the files of ``record``."""
    lines = (line for path in (folder / "times").iterdir() for line in path.read_text("utf-8").splitlines())
    records = [json.loads(line) for line in lines]
    data = CoverageData(str(folder / "coverage"))
    data.read()
    covered = {
        Path(file).relative_to(tree).as_posix(): {
            line: {context.rpartition("|")[0] for context in contexts if context}
            for line, contexts in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
        if Path(file).is_relative_to(tree)
    }
    return Covering({record["test"]: record["cpu_s"] for record in records}, covered)
