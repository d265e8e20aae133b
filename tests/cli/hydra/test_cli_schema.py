from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.hydra_config import HydraConfig

from nas.cli.hydra import schema
from nas.config import Config, TrackerConfig, WandbConfig
from nas.errors import UserError


def composed(*overrides: str) -> Config:
    """The configuration that a command would get."""
    schema.register()
    with initialize_config_dir(schema.conf_dir(), version_base=schema.VERSION_BASE):
        cfg = hydra_compose(schema.CONFIG_NAME, list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        return schema.typed(without_hydra(cfg))


def without_hydra(cfg):  # type: ignore[no-untyped-def]
    from omegaconf import open_dict

    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


def test_the_defaults_are_complete_typed_and_frozen(own_folder: Path) -> None:
    config = composed()
    assert type(config) is Config
    assert type(config.tracker) is TrackerConfig
    assert config.space == "tiny_32"
    assert isinstance(config.train.learning_rate, float)
    for part in (config, config.data.augment):
        with pytest.raises(dataclasses.FrozenInstanceError):
            part.flip = True  # type: ignore[union-attr, misc]


def test_nested_values_can_be_set_from_the_command_line_and_from_experiments(own_folder: Path) -> None:
    folder = own_folder / "conf" / "experiment"
    folder.mkdir(parents=True)
    text = "# @package _global_\ndata: {augment: {flip: true}}\ntrain: {epochs: 7}\nseed: 3\n"
    (folder / "mine.yaml").write_text(text)
    config = composed("experiment=mine", "train.epochs=8", "data.augment.crop_padding=0.25")
    assert config.data.augment.flip
    assert config.data.augment.crop_padding == 0.25
    assert (config.train.epochs, config.seed) == (8, 3)
    assert config.run_dir == "runs/mine"


def test_the_run_folder_is_named_after_date_data_and_space(own_folder: Path) -> None:
    assert composed().run_dir == f"runs/{date.today()}-digits-tiny_32"
    assert composed("name=first").run_dir == f"runs/{date.today()}-first"
    assert composed("space=mine/small.yaml").run_dir.endswith("-digits-small")
    assert composed("experiment=quickstart").run_dir == "runs/quickstart"
    assert composed("experiment=quickstart", "run_dir=elsewhere").run_dir == "elsewhere"


def test_ones_own_conf_folder_comes_first(own_folder: Path) -> None:
    folder = own_folder / "conf" / "data"
    folder.mkdir(parents=True)
    (folder / "digits.yaml").write_text("name: digits\ntest_fraction: 0.4\n")
    (folder / "pets.yaml").write_text("name: image_folder\nroot: pets\n")
    (own_folder / "conf" / "config.yaml").write_text("this belongs to: something else\n")
    assert composed().data.test_fraction == 0.4
    assert composed("data=pets").data.root == "pets"
    assert composed("data=pets").data.augment.flip  # what the file leaves out has its default


def test_the_tracker_has_the_settings_of_its_kind(own_folder: Path) -> None:
    tracker = composed("tracker=wandb", "tracker.project=mine").tracker
    assert isinstance(tracker, WandbConfig)
    assert (tracker.mode, tracker.project) == ("offline", "mine")


def test_open_dictionaries_can_be_added_to(own_folder: Path) -> None:
    config = composed("+device.provider_options.arena=true", "+device.peak_flops={fp32: 1e11}")
    assert config.device.provider_options == {"arena": True}
    assert config.device.peak_flops == {"fp32": 1e11}


def test_a_key_that_nothing_reads_cannot_be_added(own_folder: Path) -> None:
    with pytest.raises(
        UserError, match=r"unknown setting 'data\.augment\.flipp'; did you mean data\.augment\.flip"
    ):
        composed("+data.augment.flipp=true")


@pytest.mark.parametrize("path", sorted(Path(schema.conf_dir()).rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_that_ships_composes(path: Path, own_folder: Path) -> None:
    group = path.parent.relative_to(schema.conf_dir()).as_posix()
    composed(*([] if group == "." else [f"{group}={path.stem}"]))


@pytest.mark.parametrize(
    ("arguments", "excluded"),
    [
        (["seed=0,1", "train.epochs=3"], {"train.epochs"}),
        (["seed=range(3)", "+device.provider_options.a=choice(1,2)", "data=digits"], {"data"}),
        (["--multirun", "broken=[", "seed=1"], {"seed"}),
    ],
)
def test_jobs_are_named_after_what_differs(arguments: Sequence[str], excluded: set[str]) -> None:
    found = re.fullmatch(
        r"hydra\.job\.config\.override_dirname\.exclude_keys=\[(.*)\]", schema.name_jobs(arguments)
    )
    assert found is not None
    assert set(found[1].split(",")) == excluded | {"experiment", "run_dir"}


@pytest.mark.parametrize(
    ("overrides", "folder"),
    [("seed=1", "seed-1"), ("data.root=/a b/c,seed=1", "data.root-a-b-c+seed-1"), ("", "")],
)
def test_a_jobs_folder_has_a_name_that_every_system_takes(overrides: str, folder: str) -> None:
    assert schema.folder_name(overrides) == folder


def test_long_names_of_jobs_are_cut_and_stay_different() -> None:
    first, second = (schema.folder_name("x" * 300 + end) for end in "ab")
    assert first != second
    assert len(first) < 150
