"""Mutants change the meaning of code, and only that; a test that notices one is what kills it."""

from __future__ import annotations

import ast
import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from coverage import CoverageData

from tools.mutants.__main__ import main
from tools.mutants.changes import draw, mutants_of
from tools.mutants.suite import Suite, run

ROOT = Path(__file__).resolve().parents[2]


def changes(source: str) -> set[str]:
    return {mutant.change for location in mutants_of("a.py", source) for mutant in location}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", {"a < b → a <= b", "a < b → a >= b"}),
        ("x = a is b", {"a is b → a is not b"}),
        ("x = a * b", {"a * b → a / b"}),
        ("x = 'a' + f(b * c)", {"b * c → b / c"}),
        ("x = a and b", {"a and b → a or b", "a and b → a", "a and b → b"}),
        ("x = 3", {"3 → 4", "3 → 2"}),
        ("x = True", {"True → False"}),
        ("x = not a", {"not a → a"}),
        ("x = -a", {"-a → a"}),
        ("x = np.min(a)", {"np.min(a) → np.max(a)"}),
        ("x = f(a, b)", {"f(a, b) → f(b, a)"}),
        ("x = max(a, b)", {"max(a, b) → min(a, b)"}),
        ("x = a[b:]", {"a[b:] → a[:]"}),
        ("x = a[b:, c]", {"a[b:, c] → a[:, c]"}),
        ("x = a if b else c", {"a if b else c → c if b else a"}),
        ("x = [a for a in b if a]", {"[a for a in b if a] → [a for a in b]"}),
        ("f(a)", {"f(a) → pass"}),
        ("if a:\n    b = c", {"a → not a"}),
        ("a -= b", {"a -= b → pass", "a -= b → a += b"}),
        ("while a:\n    continue", {"a → not a", "continue → break"}),
        ("raise UserError(1 + 2)", {"raise UserError(1 + 2) → pass"}),
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
        "raise NotImplementedError",
        "say(1 + 2)",
        "x = zip(a, b, strict=True)",
        "@cache(3)\ndef f(): ...",
        "if TYPE_CHECKING:\n    x = 1",
    ],
)
def test_what_changes_no_result_stays(source: str) -> None:
    assert changes(source) == set()


def test_every_mutant_of_this_package_is_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for mutant in draw(["nas/network", "nas/gaussian.py"], count=100, seed=0):
        source = Path(mutant.path).read_text("utf-8")
        assert ast.dump(ast.parse(mutant.text)) != ast.dump(ast.parse(source)), mutant.id
        assert mutant.code in source


def test_a_seed_draws_locations_uniformly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.py").write_text("x = a < b\ny = not a\n")
    both = draw(["a.py"], count=2, seed=1)
    assert draw(["a.py"], count=1, seed=1) == both[:1]
    assert {mutant.line for mutant in both} == {1, 2}
    lines = Counter(draw(["a.py"], count=1, seed=seed)[0].line for seed in range(300))
    assert 120 < lines[1] < 180  # two of the three mutants are in line 1, but one of the two locations


def test_a_place_without_code_is_refused() -> None:
    with pytest.raises(SystemExit, match="no code to change in nas/spaces"):
        draw(["nas/spaces"], count=1, seed=0)


def test_lines_are_those_of_the_statement_or_at_module_level_all() -> None:
    source = "x = 3\ndef f(a=4):\n    if a == x:\n        return (\n            5\n        )\n"
    lines = {mutant.change: mutant.lines for [mutant, *_] in mutants_of("a.py", source)}
    assert lines == {
        "3 → 4": range(1, 7),
        "4 → 5": range(1, 7),
        "a == x → a != x": range(3, 4),
        "5 → 6": range(4, 7),
    }


CODE = """\
SIZE = 2
def size():
    return str(SIZE)
def copy(a):
    return a[None:]
def unused(a):
    return -a
"""
TESTS = """\
import sys
from sample.code import copy, size
def test_size():
    assert size() == "2"
def test_copy():
    assert copy([3]) == [3]
def test_that_fails_without_a_mutant():
    assert copy([3]) == [4]
def test_that_fails_when_it_is_not_recorded():
    assert copy([3]) == [3] and "--cov=sample" in sys.argv
"""
# Plugins that take most of the time in which pytest starts are left out.
QUICK = '[tool.pytest.ini_options]\naddopts = "-pno:hydra_pytest -pno:hypothesispytest -pno:anyio"\n'
# This seed draws what nothing runs last: the others take long enough to interrupt them.
COMMAND = ["--seed=5", "--workers=1", "--places", "sample", "--tests", "tests"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of three locations: a test notices the change of the first, and nothing runs the last."""
    files = {"sample/code.py": CODE, "tests/test_sample.py": TESTS, "tools/mutants/equivalent.yaml": "[]"}
    files |= {".gitignore": "build\n__pycache__\n", "pyproject.toml": QUICK}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "all"]):
        subprocess.run(["git", *arguments], check=True)
    return tmp_path


def test_mutants_are_killed_or_shown(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "tools.mutants", *COMMAND]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        first = process.stdout.readline()
        process.terminate()
        rest = process.stdout.read()
    assert process.returncode == 1
    assert "2 are left" in rest
    [tree] = repository.glob("build/mutants/*/tree-0")
    assert (tree / "sample/code.py").read_text() == CODE

    assert main(COMMAND) == 1
    out = capsys.readouterr().out
    assert out.count(" s  ") == 2
    assert first not in out
    assert "1 of 3 mutants killed: 33.3%" in out
    assert "sample/code.py:5: a[None:] → a[:]\n    return a[None:]\n    survived" in out
    assert "sample/code.py:7: -a → a\n    return -a\n    uncovered" in out

    entry = 'path: sample/code.py, code: "return a[None:]", change: "a[None:] → a[:]", reason: None is no end'
    (repository / "tools/mutants/equivalent.yaml").write_text(f"- {{{entry}}}")
    assert main(COMMAND) == 1
    out = capsys.readouterr().out
    assert "1 of 2 mutants killed: 50.0%" in out
    assert "1 of 3 are equivalent (at most 10% allowed)" in out


def test_what_fails_without_a_mutant_too_kills_nothing(repository: Path) -> None:
    test = "tests/test_missing.py::test"
    data = CoverageData(no_disk=True)
    data.set_context(f"{test}|run")
    data.add_lines({str(repository / "sample/code.py"): [3]})
    suite = Suite(repository, {test: 1.0}, data)
    [mutant] = (mutant for mutant in draw(["sample"], count=3, seed=0) if mutant.line == 1)
    with pytest.raises(SystemExit, match="without a mutant, too: exit code 4"):
        asyncio.run(suite.outcome(mutant, repository))


def test_changes_that_are_not_committed_are_refused(repository: Path) -> None:
    (repository / "sample/code.py").write_text("x = 1\n")
    with pytest.raises(SystemExit, match="commit or stash your changes"):
        main(COMMAND)


def test_tests_that_take_too_long_are_ended_with_their_processes(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    code = "import subprocess, pathlib\ndef test():\n    process = subprocess.Popen(['sleep', '60'])\n"
    (tree / "pyproject.toml").write_text(QUICK)
    (tree / "test_slow.py").write_text(
        code + "    pathlib.Path('pid').write_text(str(process.pid))\n    process.wait()\n"
    )
    for limit_s in (4, 30):  # the second where pytest itself takes so long to start
        assert asyncio.run(run(tree, ["test_slow.py"], limit_s=limit_s)) == "timeout"
        if (tree / "pid").exists():
            break
    end = time.monotonic() + 10  # a killed process, too, needs a CPU to end
    while state((tree / "pid").read_text()) not in ("", "Z", "ZN"):  # gone, or ended and not yet collected
        assert time.monotonic() < end
        time.sleep(0.05)


def state(pid: str) -> str:
    """What ``ps`` says of a process; empty if there is none."""
    listed = subprocess.run(["ps", "-o", "stat=", pid], check=False, stdout=subprocess.PIPE, text=True)
    return listed.stdout.strip()
