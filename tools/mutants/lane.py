"""Running the tests of one mutant after another, in a separate tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.mutants import forked, trees
from tools.mutants.covering import Covering
from tools.mutants.finding import Mutant

CPU_S = 60.0
"""A mutant's more expensive tests are left out once the cheaper ones take this long in all, as recorded."""


@dataclass(frozen=True)
class Lane:
    """A tree and its tests.

    Attributes:
        tree: The files of the commit, with one mutant at a time.
        covered: The tests that run each line.
    """

    tree: Path
    covered: Covering
    _sound: dict[str, bool] = field(default_factory=dict)  # whether a test passes without a mutant

    def outcome(self, mutant: Mutant) -> dict[str, str | int]:
        """``killed`` and the killing test, ``survived``, or ``uncovered`` if no test runs the statement."""
        tests = affordable(self.covered, mutant)
        for part in in_rounds(mutant, tests):
            killer = self._killer(mutant, part)
            if killer:
                return {"outcome": "killed", "tests": len(tests), "by": killer}
        return {"outcome": "survived" if tests else "uncovered", "tests": len(tests), "by": ""}

    def _killer(self, mutant: Mutant, tests: list[str]) -> str:
        """The first failing test that passes without the mutant; empty if there is none."""
        while tests:
            with trees.mutated(self.tree, mutant):
                result = self._run(tests)
            if result.code == 0:
                return ""
            if result.code < 0:
                return f"signal {-result.code}"
            failed = result.failed
            if result.code == forked.MISSING and not failed:  # the mutant changed the set of tests
                return "a test is missing"
            if self._passes_without(failed):
                return failed
            tests = [test for test in tests if failed not in (test, _file_of(test))]
        return ""

    def _passes_without(self, test: str) -> bool:
        if test not in self._sound:
            self._sound[test] = self._run([test]).code == 0
        return self._sound[test]

    def _run(self, tests: Sequence[str]) -> forked.Result:
        usual = sum(self.covered.cpu_s.get(test, 0) for test in tests)
        log = self.tree.with_suffix(".log")
        return forked.run_tests(self.tree, tests, log=log, cpu_s=30 + 3 * usual, wall_s=300 + 10 * usual)


def affordable(covered: Covering, mutant: Mutant) -> list[str]:
    """The tests of a mutant, cheapest first, up to ``CPU_S`` in all; at least one."""
    tests: list[str] = []
    total = 0.0
    for test in covered.tests_of(mutant):
        total += covered.cpu_s[test]
        if tests and total > CPU_S:
            break
        tests.append(test)
    return tests


def in_rounds(mutant: Mutant, tests: Sequence[str]) -> list[list[str]]:
    """First the tests in the folder of the mutant's package, then the others, each grouped by file."""
    room = "tests/" + mutant.path.split("/")[1] + "/"
    files = list(dict.fromkeys(map(_file_of, tests)))
    by_file = sorted(tests, key=lambda test: files.index(_file_of(test)))
    near = [test for test in by_file if test.startswith(room)]
    far = [test for test in by_file if not test.startswith(room)]
    return [part for part in (near, far) if part]


def _file_of(test: str) -> str:
    return test.partition("::")[0]
