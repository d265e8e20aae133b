from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nas.cli.commands import COMMANDS
from nas.cli.hydra.errors import setting_names
from nas.deploy.formats import find_format, format_names


def test_these_commands_show_every_setting_with_value_and_meaning(nas: Callable) -> None:
    commands = ("run", "trust", "kit", "cost", "explore", "compare")
    shown = "".join(nas(name, "--help").out.partition("Settings")[2] for name in commands)
    leaves = [name.rpartition(".")[2] for name in setting_names()]
    for leaf in leaves:
        lines = [line for line in shown.splitlines() if line.strip().startswith(f"{leaf}:")]
        assert lines, leaf
        assert all(" # " in line for line in lines), lines
    assert "  epochs: " in shown
    assert "Passes over the training images." in shown


def test_values_are_those_of_the_command_line(nas: Callable) -> None:
    shown = nas("train", "--help", "train.epochs=123", "experiment=quickstart").out
    assert "epochs: 123 " in shown
    assert "run_dir: runs/quickstart " in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_shows_what_it_reads(nas: Callable, name: str) -> None:
    settings, _, notes = nas(name, "-h").out.partition("Settings")[2].partition("\n\n")
    shown = settings.splitlines()
    parts = [line.split(":")[0] for line in shown[1:] if line and not line.startswith(" ")]
    assert parts == ["space", "seed", "name", "run_dir", "modules", *COMMANDS[name].reads]
    assert notes.splitlines() == list(COMMANDS[name].notes())[1:]


def test_export_lists_the_formats_and_what_each_needs(nas: Callable) -> None:
    shown = nas("export", "--help").out
    for name in format_names():
        kind = find_format(name)
        assert f"\n  {name}: {kind.SUMMARY}" in shown
        assert not kind.missing() or kind.install_command in shown


def test_groups_and_their_options_are_listed_ones_own_too(nas: Callable, own_folder: Path) -> None:
    (own_folder / "conf" / "data").mkdir(parents=True)
    (own_folder / "conf" / "data" / "pets.yaml").write_text("name: image_folder\nroot: pets\n")
    shown = nas("train", "--help", "data=pets").out
    assert "  data: cifar10, cifar100, digits, image_folder, imagenet, pets   (now: pets)" in shown
    assert "  root: pets " in shown


def test_faults_in_the_command_line_are_told_in_help_too(nas: Callable) -> None:
    outcome = nas("train", "--help", "data=nope")
    assert outcome.code == 2
    assert outcome.err.startswith("error: unknown data option 'nope'")
