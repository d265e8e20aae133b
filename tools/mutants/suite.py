"""The tests that run each line, recorded once, and running them on a mutant."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from subprocess import DEVNULL
from xml.etree import ElementTree

from coverage import CoverageData

from tools.mutants.changes import Mutant

TESTS, SECONDS = 200, 60.0
"""The largest number of tests for a mutant, and the most seconds that they took in all when recorded."""
PYTEST = ["-m", "pytest", "-q", "--tb=short", "-pno:cacheprovider", "-ojunit_family=xunit1"]
RECORD = ["--cov-context=test", "--cov-config=/dev/null", "--cov-report="]


@dataclass(frozen=True)
class Suite:
    """The seconds of each test that passed without a mutant, and the tests that ran each line of ``tree``."""

    tree: Path
    seconds: dict[str, float]
    data: CoverageData
    _failures: dict[tuple[str, ...], str] = field(default_factory=dict)  # of tests without a mutant

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests that ran a mutant's lines, then others of their files; near and cheap ones first.

        The others count too: a fixture or a cache may have run the lines for them.
        """
        ran = self.data.contexts_by_lineno(str(self.tree / mutant.path))
        contexts = {context for line in mutant.lines for context in ran.get(line, [])}
        if contexts == {""}:  # they ran when modules were imported
            contexts.update(*ran.values())
        direct = {context.partition("|")[0] for context in contexts}
        files, near = set(map(_file_of, direct)), str(Path("tests", *Path(mutant.path).parts[1:2]))
        tests = sorted(
            (test for test in self.seconds if _file_of(test) in files),
            key=lambda test: (test not in direct, not test.startswith(near), self.seconds[test]),
        )[:TESTS]
        costs = accumulate(self.seconds[test] for test in tests)
        tests = [test for test, cost in zip(tests, costs, strict=True) if cost <= SECONDS] or tests[:1]
        order = list(dict.fromkeys(map(_file_of, tests)))
        return sorted(tests, key=lambda test: order.index(_file_of(test)))

    async def outcome(self, mutant: Mutant, tree: Path) -> tuple[str, str]:
        """``killed``, ``timeout``, ``survived`` or ``uncovered``, and what failed only with the mutant."""
        tests, path = self.tests_of(mutant), tree / mutant.path
        while tests:
            limit_s, original = 90 + 5 * sum(self.seconds[test] for test in tests), path.read_bytes()
            try:
                path.write_text(mutant.text, encoding="utf-8")
                failure = await run(tree, tests, limit_s=limit_s)
            finally:
                path.write_bytes(original)
            if not failure:
                return "survived", ""
            suspects = (failure,) if failure in tests else tuple(tests)
            if suspects not in self._failures:
                self._failures[suspects] = await run(tree, suspects, limit_s=limit_s)
            if not self._failures[suspects]:
                return "timeout" if failure == "timeout" else "killed", failure
            unsound = failure if failure in tests else self._failures[suspects]
            if unsound not in tests:
                raise SystemExit(f"without a mutant, too: {unsound}, see {tree.with_suffix('.log')}")
            tests.remove(unsound)
        return "uncovered", ""


async def record(tree: Path, tests: Sequence[str], *, packages: set[str], workers: int) -> Suite:
    """Runs tests in a tree, unless that is done, and reads what they took and ran."""
    report, done, data = (tree.with_name(name) for name in ("recorded.xml", "recorded", "coverage"))
    if not done.exists():
        options = [*RECORD, *(f"--cov={package}" for package in packages)]
        if workers > 1:
            options += [f"-n{workers}", "--dist=loadfile", "--no-loadscope-reorder"]
        env = {"COVERAGE_CORE": "ctrace", "COVERAGE_FILE": str(data)}
        if await _pytest(tree, [*options, *tests], report, env) not in (0, 1):
            raise SystemExit(f"the tests cannot be recorded: see {report.with_suffix('.log')}")
        done.touch()
    coverage = CoverageData(str(data))
    coverage.read()
    return Suite(tree, {name: seconds for name, seconds, state in _cases(report) if not state}, coverage)


async def run(tree: Path, tests: Sequence[str], *, limit_s: float) -> str:
    """The first test that fails, or ``timeout``, or another reason; empty if all pass."""
    report = tree.with_suffix(".xml")
    report.write_text("<testsuites/>")
    # Compiled code is not written: Python would use it for another mutant of the same size and second.
    env = {"PYTHONDONTWRITEBYTECODE": "1"}
    try:
        async with asyncio.timeout(limit_s):
            code = await _pytest(tree, ["-x", "-pno:xdist", *tests], report, env)
    except TimeoutError:
        return "timeout"
    failed = [name for name, _, state in _cases(report) if state in ("failure", "error")]
    return [*failed, f"exit code {code}"][0] if code else ""


async def _pytest(tree: Path, arguments: Sequence[str], report: Path, env: dict[str, str]) -> int:
    """Runs pytest in a process group of its own, which ends with it or with the caller."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST_"))}
    env = inherited | env | {"PYTHONPATH": str(tree)}
    shell = ["sh", "-c", 'ulimit -d 6291456; exec "$0" "$@"']  # 6 GB: a mutant may not fill the memory
    command = [*shell, sys.executable, *PYTEST, f"--junitxml={report}", *arguments]
    with report.with_suffix(".log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tree, env=env, stdin=DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        return await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _cases(report: Path) -> Iterator[tuple[str, float, str]]:
    """Each test, its seconds, and ``failure``, ``error`` or ``skipped``; empty if it passed."""
    for case in ElementTree.parse(report).iter("testcase"):
        state = "".join(part.tag for part in case[:1])
        yield f"{case.get('file')}::{case.get('name')}", float(case.get("time", 0)), state


def _file_of(test: str) -> str:
    return test.partition("::")[0]
