from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator

import pytest

from nas.blocks.ops import BYTES_PER_ELEMENT
from nas.cli.hydra.help import explanations
from nas.config import TRACKERS, Config, DeviceConfig, seconds
from nas.errors import UserError
from nas.hardware import Device
from nas.runner.runtimes import runtimes


def config_classes(cls: type = Config) -> Iterator[type]:
    yield cls
    for hint in typing.get_type_hints(cls).values():
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield from config_classes(hint)


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("5m", 300), ("1.5h", 5400), (" 2 s ", 2)])
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "5", "m", "-1s", "0s", "5 minutes", "1h30m"])
def test_what_is_no_duration_is_an_error_that_shows_how_to_write_one(text: str) -> None:
    with pytest.raises(UserError, match="is not a duration; write a positive number and s, m or h"):
        seconds(text)


@pytest.mark.parametrize("cls", [*config_classes(), *TRACKERS.values()], ids=lambda cls: cls.__name__)
def test_every_setting_is_explained_and_frozen(cls: type) -> None:
    names = [field.name for field in dataclasses.fields(cls)]
    assert sorted(explanations(cls)) == sorted(names)
    assert all(explanations(cls).values())
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_a_device_in_the_configuration_has_what_a_device_has() -> None:
    assert dataclasses.asdict(DeviceConfig(name="x")).keys() == {f.name for f in dataclasses.fields(Device)}
    assert Device(**dataclasses.asdict(DeviceConfig(name="x"))) == Device(name="x")


def test_the_explanations_of_a_device_name_all_precisions_and_runtimes() -> None:
    found = explanations(DeviceConfig)
    assert set(BYTES_PER_ELEMENT) < set(re.findall(r"\w+", found["precision"]))
    assert set(runtimes()) < set(re.findall(r"\w+", found["runtime"]))
