"""Every block of every page runs, at tiny budgets, as a newcomer would type it.

A page that is new is run too. ``CONTRIBUTING.md`` and the search from Python have tests of their own in
``test_contributing.py`` and ``test_search_from_python.py``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Outcome
from tests.documents import ROOT, Command, blocks, documents, write_files
from tests.processes import python

Nas = Callable[..., Outcome]

FIRST = ("docs/tutorial.md", "README.md")
OWN_TESTS = ("CONTRIBUTING.md", "docs/how-to/search-from-python.md")
PAGES = [
    *FIRST,
    *(name for name in documents() if name not in (*FIRST, *OWN_TESTS) and blocks(name)),
]

NOT_RUN = {
    "docs/how-to/device.md: this command takes 15 minutes.",
    "docs/how-to/device.md: this command needs a phone.",
    "docs/how-to/device.md: this command needs a second machine.",
    "docs/how-to/formats.md: this command needs a download.",
    "docs/how-to/formats.md: this command needs an NVIDIA GPU.",
    "docs/how-to/images.md: these commands need a download, ImageNet or a GPU.",
    "docs/how-to/measure.md: this command needs a second machine.",
    "docs/how-to/pretrained.md: these commands need the weights and a finished search.",
    "docs/how-to/pretrained.md: these commands need weights from torchvision.",
    "docs/how-to/published-accuracy.md: these commands measure for four minutes.",
    "docs/how-to/published-supernets.md: this command needs a published supernet.",
    "docs/how-to/published-supernets.md: these commands need ImageNet and a published supernet.",
    "docs/how-to/published-accuracy.md: this command measures for two minutes.",
    "docs/how-to/several-machines.md: these commands need ImageNet and eight GPUs.",
    "docs/how-to/several-machines.md: this command needs a Slurm cluster.",
    "docs/how-to/several-machines.md: this command needs a database.",
}
"""Blocks that no test runs, and why: only the configuration of their commands is made."""

ELSEWHERE = {
    "experiment=transfer": "tests/cli/steps/test_cli_transfer.py",
    "compare.runs": "tests/cli/test_cli_compare.py",
    "optuna-dashboard": "tests/search/trials/test_dashboard.py",
    "search.workers=2": "tests/cli/steps/test_cli_search.py",
    "hydra/launcher=joblib": "tests/cli/test_cli_launchers.py",
    "tracker=wandb": "tests/cli/steps/test_cli_tracking.py",
    "tracker=mlflow": "tests/cli/steps/test_cli_tracking.py",
    "tracker=tensorboard": "tests/cli/steps/test_cli_tracking.py",
}
"""Commands with this word start processes or servers, or measure long; the test that runs them."""

NOT_TYPED = ("source .venv/bin/activate",)
"""What concerns the reader's shell alone."""

TINY = (
    "train.epochs=1",
    "train.batch_size=32",
    "train.calibration_images=32",
    "search.trials=4",
    "search.candidates=300",
    "table.budget=1s",
    "table.correction_networks=2",
    "table.validation_networks=2",
    "scale.max_phi=1",
    "trust.networks=6",
    "trust.top=1",
    "trust.resamples=20",
    "finish.epochs=1",
    "finish.extremes=false",
    "finish.baseline_widths=[]",
    "export.parity_images=8",
    "export.measure_budget=1s",
    "measure.budget=2s",
    "data.max_train_images=40",
)

CHANGES = {"seed=0,1,2": "seed=0,1", "device=board": "device=board device.threads=1"}
"""Words that are replaced, so that a command is quick and fits any machine."""

MAKE = {
    "make quickstart": "nas run experiment=quickstart",
    "make test": "-m pytest",
    "make install": "pip install",
}
"""Part of the recipe of each target. What they do is run by .ci/run and by the other commands."""

PLACES = {"measure.pyz": "runs/board-kit/kit"}
"""Folders that the text says a script is copied from; others lie in the user's folder or the checkout."""


def test_what_no_test_runs_is_listed() -> None:
    noted = {f"{name}: {block.not_run}" for name in documents() for block in blocks(name) if block.not_run}
    assert noted == NOT_RUN


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {block.language for name in PAGES for block in blocks(name)} == {"sh", "yaml", "python"}


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    for link in re.findall(r"\]\(((?!https?:)[^)#]+)\)", text):
        assert (ROOT / link).exists(), f"the README links to {link}"
    tree = text.split("## Where things are")[1]
    names = re.findall(r"^    ([\w./]+) +\S", tree, re.MULTILINE)
    assert len(names) > 5
    for name in names:
        assert (ROOT / name).exists(), f"the README's tree names {name}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder, which all pages share in the order of ``PAGES``."""
    return tmp_path_factory.mktemp("user")


@pytest.mark.parametrize("page", PAGES)
def test_a_page(page: str, folder: Path, nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    if not (folder / "runs/pictures/report.html").exists() and page != FIRST[0]:
        follow(FIRST[0], folder, nas)  # what every page builds on
    follow(page, folder, nas)


def follow(page: str, folder: Path, nas: Nas) -> None:
    """Does what the page says, from top to bottom."""
    write_files(page, folder)
    for block in blocks(page):
        if block.language == "python" and block.path is None:
            exec(compile(block.text, page, "exec"), {"__name__": "page"})
        for command in block.commands if block.language == "sh" else ():
            type_in(command, folder, nas, only_compose=block.not_run is not None)


def type_in(command: Command, folder: Path, nas: Nas, *, only_compose: bool) -> None:
    words = command.text.split()
    elsewhere = [test for word, test in ELSEWHERE.items() if word in words]
    if command.text in NOT_TYPED:
        return
    if elsewhere:
        assert (ROOT / elsewhere[0]).is_file()
        return
    if only_compose:
        compose(words, nas)
        return
    if words[0] == "make":
        make(command.text)
    elif words[0] == "nas":
        run_nas(words[1:], command.text, nas)
    elif words[0] == "python":
        run_script(words[1:], folder)
    elif words[0] == "eval":
        assert "complete " in succeed(nas("-sc", "install=bash"), command.text)
    else:
        run(["sh", "-c", command.line], folder)
    if command.writes is not None:
        place = folder / PLACES.get(words[1], "")
        assert (place / command.writes).exists(), f"{command.text} did not write {command.writes}"


def compose(words: list[str], nas: Nas) -> None:
    """Makes the configuration of a command that needs what a test has not."""
    if words[0] in ("export", "sh"):
        return
    given = words[words.index("nas.cli" if words[0] == "torchrun" else "nas") + 1 :]
    composed = succeed(
        nas(*(word for word in given if word != "--multirun"), "--cfg", "job"), " ".join(words)
    )
    assert all(part in composed for part in ("space:", "data:", "table:"))


def make(command: str) -> None:
    # As on a fresh machine: what an earlier call has installed already would not be shown.
    recipe = run(["make", "--always-make", "--dry-run", *command.split()[1:]], ROOT)
    assert "-m venv" in recipe
    assert MAKE[command] in recipe


def run_nas(words: list[str], command: str, nas: Nas) -> None:
    given = " ".join(CHANGES.get(word, word) for word in words).split()
    tiny = () if {"--help", "--cfg"} & set(words) else TINY
    settings = {word.split("=")[0]: word for word in (*given, *tiny)}  # Hydra wants each once
    succeed(nas(*settings.values()), command)


def run_script(words: list[str], folder: Path) -> None:
    place = folder / PLACES.get(words[0], "")
    script = place / words[0] if (place / words[0]).exists() else ROOT / words[0]
    if script.suffix == ".pyz":  # brings its own modules
        run([sys.executable, str(script), *words[1:]], place)
    else:
        done = python(str(script), *words[1:], folder=place)
        assert done.returncode == 0, done.stdout + done.stderr


def succeed(outcome: Outcome, command: str) -> str:
    assert outcome.code == 0, f"{command}\n{outcome.out}\n{outcome.err}"
    return outcome.out


def run(command: list[str], folder: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
