"""Mutants change the meaning of code, and only that; a test that notices one is what kills it."""

from __future__ import annotations

import ast
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from tools.mutants import covering, lane, report, trees
from tools.mutants.covering import Covering
from tools.mutants.finding import Mutant, draw, mutants_of

ROOT = Path(__file__).resolve().parents[2]


def changes(source: str) -> set[str]:
    return {mutant.change for mutant in mutants_of("a.py", source)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", {"a < b → (a <= b)", "a < b → (a >= b)"}),
        ("x = a is b", {"a is b → (a is not b)"}),
        ("x = a * b", {"a * b → (a / b)"}),
        ("x = a and b", {"a and b → (a or b)", "a and b → (a)", "a and b → (b)"}),
        ("x = 3", {"3 → (4)", "3 → (2)"}),
        ("x = True", {"True → (False)"}),
        ("x = not a", {"not a → (a)"}),
        ("x = min(a)", {"min(a) → (max(a))"}),
        ("x = f(a, b)", {"f(a, b) → (f(b, a))"}),
        ("x = a[b:]", {"a[b:] → (a[:])"}),
        ("x = a if b else c", {"a if b else c → (c if b else a)"}),
        ("x = [a for a in b if a]", {"[a for a in b if a] → ([a for a in b])"}),
        ("f(a)", {"f(a) → pass"}),
        ("if a:\n    b = c", {"a → (not a)"}),
        ("a -= b", {"a -= b → pass", "a -= b → a += b"}),
    ],
)
def test_each_kind_of_change(source: str, expected: set[str]) -> None:
    assert changes(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""1 < 2."""',
        "x: int | None",
        "def f(x: int | None = None) -> int | None: ...",
        'x = f"{1 + 2}"',
        "assert 1 < 2",
        "__all__ = [*a, *b[1:]]",
        "error = UserError(1 + 2)",
        "say(1 + 2)",
        "x = zip(a, b, strict=True)",
        "@cache(3)\ndef f(): ...",
        "if TYPE_CHECKING:\n    x = 1",
    ],
)
def test_what_says_something_to_people_stays(source: str) -> None:
    assert changes(source) == set()


def test_an_error_may_be_left_out_but_its_message_is_not_changed() -> None:
    assert changes("raise UserError(1 + 2)") == {"raise UserError(1 + 2) → pass"}


def test_every_mutant_of_this_package_is_another_program() -> None:
    for mutant in draw(ROOT, ["nas/network"], count=50, seed=0):
        source = (ROOT / mutant.path).read_text("utf-8")
        assert ast.dump(ast.parse(mutant.apply(source))) != ast.dump(ast.parse(source)), mutant.id


def test_a_seed_decides_what_is_drawn() -> None:
    first, again, other = (draw(ROOT, ["nas/network"], count=20, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len({mutant.id for mutant in first}) == 20


SOURCE = "def least(a, b):\n    return a if a < b else b\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A package with a test that cannot tell `<` from `<=`."""
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "code.py").write_text(SOURCE)
    (tmp_path / "tests").mkdir()
    test = "from sample.code import least\n\ndef test_least():\n    assert least(1, 2) == least(2, 1) == 1\n"
    (tmp_path / "tests" / "test_sample.py").write_text(test)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = ['.']\n")
    return tmp_path


def mutant(new: str) -> Mutant:
    [found] = (each for each in mutants_of("sample/code.py", SOURCE) if each.new == new)
    return found


def outcome(tree: Path, covered: Covering, mutant: Mutant) -> dict[str, Any]:
    """The outcome of a mutant in a new process: a lane forks, and this one may hold threads of torch."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_outcome, tree, covered, mutant).result(timeout=120)


def _outcome(tree: Path, covered: Covering, mutant: Mutant) -> dict[str, Any]:
    return lane.Lane(tree, covered).outcome(mutant)


def test_a_mutant_is_written_and_taken_back(tree: Path) -> None:
    path = tree / "sample" / "code.py"
    before = path.stat().st_mtime_ns
    with trees.mutated(tree, mutant("(a >= b)")):
        assert "a if (a >= b) else b" in path.read_text()
        assert path.stat().st_mtime_ns // 10**9 != before // 10**9
    assert (path.read_text(), path.stat().st_mtime_ns) == (SOURCE, before)


def test_recorded_tests_kill_what_they_notice_and_nothing_else(tree: Path, tmp_path: Path) -> None:
    covering.record(tree, tmp_path / "record", package="sample", tests=["tests"], workers=1)
    covered = covering.read(tree, tmp_path / "record")
    [test] = covered.cpu_s
    assert covered.lines["sample/code.py"][2] == {test}
    assert outcome(tree, covered, mutant("(a >= b)")) == {"outcome": "killed", "tests": 1, "by": test}
    assert outcome(tree, covered, mutant("(a <= b)"))["outcome"] == "survived"
    assert outcome(tree, Covering({}, {}), mutant("(a >= b)"))["outcome"] == "uncovered"


def test_a_test_that_fails_anyway_kills_nothing(tree: Path) -> None:
    path = tree / "tests" / "test_sample.py"
    path.write_text(path.read_text() + "\ndef test_wrong():\n    assert least(1, 2) == 2\n")
    names = {
        f"tests/test_sample.py::{name}": cost for name, cost in (("test_wrong", 0.1), ("test_least", 0.2))
    }
    covered = Covering(names, {"sample/code.py": {2: set(names)}})
    assert outcome(tree, covered, mutant("(a >= b)"))["by"] == "tests/test_sample.py::test_least"
    assert outcome(tree, covered, mutant("(a <= b)"))["outcome"] == "survived"


def test_cheap_and_near_tests_run_first() -> None:
    costs = {
        "tests/x/a.py::1": 1.0,
        "tests/nas/b.py::1": 2.0,
        "tests/nas/b.py::2": 0.5,
        "tests/x/c.py::1": 99.0,
    }
    changed = Mutant("sample/nas/code.py", "negation", 1, 1, True, 0, "a", "b", "a")
    tests = lane.affordable(Covering(costs, {"sample/nas/code.py": {1: set(costs)}}), changed)
    assert lane.in_rounds(changed, tests) == [["tests/nas/b.py::2", "tests/nas/b.py::1"], ["tests/x/a.py::1"]]


def test_report_counts_listed_equivalents_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = mutants_of("sample/code.py", SOURCE)
    outcomes = {each.id: {"outcome": "survived" if "<= b" in each.new else "killed"} for each in drawn}
    listed = tmp_path / "equivalent.yaml"
    monkeypatch.setattr(report, "LISTED", listed)
    listed.write_text("[]")
    assert report.write(drawn, outcomes, tmp_path / "report.md") == 1
    assert "2 of 3 mutants killed: 66.7%" in capsys.readouterr().out
    listed.write_text(
        "- {path: sample/code.py, code: return a if a < b else b, change: a < b → (a <= b), reason: equal}"
    )
    report.write(drawn, outcomes, tmp_path / "report.md")
    assert "2 of 2 mutants killed: 100.0%" in (tmp_path / "report.md").read_text()
    assert "1 of 3 are equivalent" in capsys.readouterr().out
