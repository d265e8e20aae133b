from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]


WATCHED = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
try:
    runpy.run_module("nas.cli.train", run_name="__main__")
except SystemExit as end:
    sys.exit("torch was loaded" if "torch" in sys.modules else end.code)
"""


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)])
def test_the_commands_are_listed_with_a_line_each(nas: Callable, arguments: tuple[str, ...]) -> None:
    outcome = nas(*arguments)
    assert outcome.code == 0
    lines = [line.split(maxsplit=1) for line in outcome.out.splitlines() if line.startswith("  ")]
    assert [name for name, _ in lines] == list(COMMANDS)
    assert all(summary for _, summary in lines)


def test_the_version_is_ours(nas: Callable) -> None:
    import nas as package

    assert nas("--version").out == f"hwnas {package.__version__}\n"


def test_an_unknown_command_is_an_error_with_the_nearest(nas: Callable) -> None:
    outcome = nas("serach", "seed=1")
    assert outcome.code == 2
    assert outcome.err.startswith(
        "error: unknown command 'serach'; did you mean search?; allowed: compare, cost, "
    )
    assert outcome.out == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_module_and_composes(nas: Callable, name: str) -> None:
    assert COMMANDS[name].name == name
    outcome = nas(name, "--cfg", "job", "seed=17")
    assert outcome.code == 0
    assert "seed: 17\n" in outcome.out


def test_a_command_is_also_a_module_and_its_help_loads_no_torch(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(ROOT), "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("nas train: ")
