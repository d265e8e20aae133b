"""Inputs that a parser once took wrongly: each is refused in one line now."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas.errors import UserError
from nas.hardware import Device
from nas.latency.storage import table_faults
from nas.network.spec import read_network
from nas.runner.errors import RunnerError
from nas.runner.onnx_file import read_onnx
from nas.space import SearchSpace
from nas.space.reading import read_space
from tests.fuzz.parsers import space, yaml_of

Change = Callable[[dict[str, Any]], object]


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    message = str(error.value)
    assert message and "\n" not in message
    return message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: value["stages"][0].update(width=float("nan")), "width is nan"),
        (lambda value: value["stages"][0].update(width=float("inf")), "width is inf"),
        (lambda value: value["stages"][0].update(width=10**30), "at most 2147483647"),
        (lambda value: value["stages"][0].update(depth=2**31), "from 1 to 1000"),
        (lambda value: value.update(resolution={"from": 1, "to": 2**40, "step": 1}), "at most 1000"),
        (lambda value: value.update(resolution=[2**63]), "whole and positive"),
        (lambda value: value.update(rounding={"minimum_ratio": "0.9"}), "a share from 0 to 1"),
        (lambda value: value.update(rounding={"divisor": 2**63}), "rounding.divisor"),
    ],
)
def test_spaces(change: Change, words: str) -> None:
    value = yaml.safe_load(yaml_of("tiny_32"))
    change(value)
    with pytest.raises(UserError) as error:
        SearchSpace(**read_space(value, name="tiny_32"))
    assert words in one_line(error)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: value["stages"].__setitem__(0, ["0"]), "must be a mapping with a 'kind'"),
        (lambda value: value.update(stem=[1]), "must be a mapping with a 'kind'"),
        (lambda value: value.update(classes=2**64), "from 1 to 2147483647"),
        (lambda value: value["rounding"].update(minimum_ratio=float("nan")), "a share from 0 to 1"),
    ],
)
def test_networks(change: Change, words: str, tmp_path: Path) -> None:
    tiny = space("tiny_32")
    value = tiny.network(tiny.largest(), classes=10, input_channels=3).to_dict()
    change(value)
    path = tmp_path / "network.json"
    path.write_text(json.dumps(value))
    with pytest.raises(UserError) as error:
        read_network(path)
    assert words in one_line(error)


@pytest.mark.parametrize("value", [2, None, [], True])
def test_devices_are_mappings(value: Any) -> None:
    with pytest.raises(UserError) as error:
        Device.from_dict(value)
    assert "a device is a mapping of settings" in one_line(error)


@pytest.mark.parametrize("fields", [{"batch": 0}, {"precision": "fp3"}])
def test_a_name_of_two_lines_stays_in_one(fields: dict[str, Any]) -> None:
    with pytest.raises(UserError) as error:
        Device.from_dict({"name": "a\nb", **fields})
    assert "a\\nb" in one_line(error)


@pytest.mark.parametrize(
    "fault", [IndexError("list index out of range"), ValueError("bad"), OverflowError("big")]
)
def test_tables(fault: Exception, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error, table_faults(tmp_path / "table.json"):
        raise fault
    assert "is not a latency table of this version" in one_line(error)


@pytest.mark.parametrize("node", [(0x20, 1), (0x08, 1, 0x20, 1), (0x22, 1, 0x41, 0x28, 1)])
def test_a_model_with_numbers_in_place_of_texts(node: tuple[int, ...], tmp_path: Path) -> None:
    """A graph (field 7) with one node (1), whose inputs (1), kind (4) or attributes (5) are numbers."""
    graph = bytes([0x0A, len(node), *node])
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes([0x3A, len(graph)]) + graph)
    with pytest.raises(RunnerError) as error:
        read_onnx(path)
    assert "is not an ONNX model" in one_line(error)
