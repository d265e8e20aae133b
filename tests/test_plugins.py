"""Modules of a user's own, on any command and from installed packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.plugins import load_module, load_plugins
from tests.processes import python

ROOT = Path(__file__).resolve().parents[1]
SAMPLER = """
from dataclasses import dataclass
from typing import ClassVar
from optuna.samplers import RandomSampler
from nas.search import samplers

@samplers.register
@dataclass(frozen=True, kw_only=True)
class Dice(samplers.Sampler):
    NAME: ClassVar[str] = "dice"

    def build(self, problem, *, objectives, seed):
        return RandomSampler(seed=seed)
"""


def nas(*words: str, folder: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    return python("-m", "nas.cli", *words, folder=folder, path=[path] if path else [])


def answer(folder: Path, *words: str, path: str = "") -> str:
    """What a command answers that stops at an unknown sampler."""
    words = ("search", "search.sampler=nothing", f"run_dir={folder}/run", *words)
    done = nas(*words, folder=folder, path=path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_module_named_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "my_nas.py").write_text(SAMPLER)
    assert "dice" in answer(tmp_path, "modules=[my_nas]")
    assert "dice" in answer(tmp_path, "modules=[./my_nas.py]")
    assert "dice" not in answer(tmp_path)


def test_a_module_of_an_installed_package(tmp_path: Path) -> None:
    site = tmp_path / "site"
    about = site / "dice-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "dice_sampler.py").write_text(SAMPLER)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: dice\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[hwnas.plugins]\ndice = dice_sampler\n")
    assert "dice" in answer(tmp_path, path=str(site))
    (site / "dice_sampler.py").write_text("1 / 0\n")
    message = answer(tmp_path, path=str(site))
    assert f"plug-in dice = dice_sampler cannot be imported: {site}/dice_sampler.py, line 1: Zero" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"module 'my_nas' cannot be imported: there is no module 'my_nas'; put my_nas.py into {0}"),
        ("import nothing_here", "there is no module 'nothing_here'"),
        ("x = (", r"{0}/my_nas.py, line 1: SyntaxError"),
        ("\nraise KeyError('a')", r"{0}/my_nas.py, line 2: KeyError: 'a'"),
        (SAMPLER.replace('"dice"', '"random"'), r"called 'random': .*Dice \({0}/my_nas.py\); rename one"),
        (SAMPLER.replace("def build", "def bild"), r"Dice \({0}/my_nas.py\) lacks build, which each sampler"),
    ],
)
def test_a_module_that_cannot_be_used(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "my_nas.py").write_text(text)
    with pytest.raises(UserError, match=message.format(tmp_path)) as caught:
        load_plugins(["my_nas"], folder=tmp_path)
    assert "\n" not in str(caught.value)
    assert "my_nas" not in sys.modules


def test_modules_of_one_name_in_two_folders(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same_name.py").write_text(f"import neighbour_of_{name}\nWHERE = '{name}'\n")
        (tmp_path / name / f"neighbour_of_{name}.py").write_text("")
    modules = [load_module("same_name", folder=tmp_path / name) for name in ("first", "second")]
    assert [module.WHERE for module in modules] == ["first", "second"]
    assert load_module("same_name", folder=tmp_path / "second") is modules[1]
    assert all(sys.modules[module.__name__] is module for module in modules)


def test_a_file_beside_is_taken_before_a_loaded_module_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("OURS = True\n")
    import colorsys

    assert load_module("colorsys", folder=tmp_path).OURS
    assert sys.modules["colorsys"] is colorsys
