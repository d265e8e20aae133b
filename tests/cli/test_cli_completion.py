from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.cli.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parents[2]


def complete(nas: Callable, monkeypatch: pytest.MonkeyPatch, line: str) -> set[str]:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setattr(sys, "argv", ["nas", "-sc", "query=bash"])
    outcome = nas("-sc", "query=bash")
    assert outcome.code == 0
    return set(outcome.out.split())


def test_commands_are_completed(nas: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complete(nas, monkeypatch, "nas ") == set(COMMANDS)
    assert complete(nas, monkeypatch, "nas s") == {"search", "scale"}
    assert complete(nas, monkeypatch, "nas x") == set()


def test_groups_options_and_settings_are_completed(nas: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"data=", "train.", "seed="} <= complete(nas, monkeypatch, "nas train ")
    assert complete(nas, monkeypatch, "nas train data=ci") == {"data=cifar10", "data=cifar100"}
    assert "train.epochs=" in complete(nas, monkeypatch, "nas run seed=1 train.ep")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(own_folder: Path) -> None:
    bin_ = own_folder / "bin"
    bin_.mkdir()
    script = bin_ / "nas"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from nas.cli.__main__ import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    commands = f"""
        export PATH={bin_}:$PATH
        eval "$(nas -sc install=bash)"
        COMP_LINE="nas train data=ci" COMP_POINT=17 COMP_CWORD=2
        hydra_bash_completion nas
        printf '%s ' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", commands], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["data=cifar10", "data=cifar100"], done.stderr
