"""Inputs that a parser once took wrongly: each is refused in one line now."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas.cli.hydra import schema
from nas.cli.hydra.user_conf import TextFiles
from nas.config import Config
from nas.deploy.manifest import Artefact
from nas.deploy.manifest import read_manifest as read_deployed
from nas.errors import UserError
from nas.files import read_csv, read_json
from nas.hardware import Device
from nas.latency.estimate.networks_file import read_networks
from nas.latency.storage import table_faults
from nas.latency.targets.with_runner import objects
from nas.network.spec import read_network
from nas.runner.errors import RunnerError
from nas.runner.measure import read_manifest as read_kit
from nas.runner.onnx_file import read_onnx
from nas.runner.samples import read_samples
from nas.scoring.cache import EvaluationCache
from nas.space import Architecture, SearchSpace
from nas.space.reading import read_space
from tests.fuzz.files import small
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


DEEP, LONG = "[" * 100_000, "9" * 5000
"""JSON and YAML that Python's parsers give up on, each with an error of its own."""


@pytest.mark.parametrize(
    "text",
    [DEEP, LONG, "{a: " * 3000, "- " * 3000, "name: 2026-02-30", "a: !!timestamp b", "a: !!bool b"],
    ids=lambda text: text[:20],
)
def test_yaml_that_its_parser_gives_up_on(text: str, tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        SearchSpace.load(path)
    assert f"{path} is not valid YAML: " in one_line(error)


def test_a_number_that_cannot_be_shown(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("0x" + "f" * 5000)
    with pytest.raises(UserError) as error:
        SearchSpace.load(path)
    assert one_line(error).startswith(f"{path}: Exceeds the limit")


@pytest.mark.parametrize(
    "text", [f"seed: {LONG}", f"seed: {DEEP}", "seed: !!bool b"], ids=lambda text: text[:20]
)
def test_settings_that_their_parser_gives_up_on(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        schema.load(Config, tmp_path / "mine.yaml")
    assert "mine.yaml is not valid YAML: " in one_line(error)
    with pytest.raises(UserError) as error:
        TextFiles("test", f"text://{tmp_path}").load_config("mine")
    assert "mine.yaml is not valid YAML: " in one_line(error)


@pytest.mark.parametrize("text", [DEEP, LONG], ids=["deep", "long"])
def test_json_that_its_parser_gives_up_on(text: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(f"{text}\n{text}\n")
    for read in (read_json, lambda path: EvaluationCache(path).get(small(), 5)):
        with pytest.raises(UserError) as error:
            read(path)
        assert str(path) in one_line(error)
    for read in (lambda path: read_kit(path.parent), read_samples):
        with pytest.raises(RunnerError) as error:
            read(path)
        assert "is damaged" in one_line(error)
    assert list(objects([text, "{}"], lambda _: None)) == [{}]


@pytest.mark.parametrize("images", ["Infinity", "NaN", '"a"', "[]"])
def test_evaluations(images: str, tmp_path: Path) -> None:
    path = tmp_path / "evaluations.jsonl"
    path.write_text(f'{{"key": "k", "network": "r32", "correct": 3, "images": {images}}}\n')
    with pytest.raises(UserError) as error:
        EvaluationCache(path).get(small(), 5)
    assert "is damaged" in one_line(error)


@pytest.mark.parametrize("field", ["latency_ms", "parity", "input", "test_by_class"])
def test_manifests(field: str, tmp_path: Path) -> None:
    shipped = Artefact(name="a", format="onnx", file="a.onnx", sha256="0" * 64, size_bytes=9, parity=None)
    artefact = {**shipped.to_dict(), field: "a"}
    (tmp_path / "manifest.json").write_text(json.dumps({"artefacts": [artefact]}))
    with pytest.raises(UserError) as error:
        read_deployed(tmp_path)
    assert "export again: nas export" in one_line(error)


@pytest.mark.parametrize(
    "code", [f"r{LONG}-d1", f"r32-d{LONG}", f"r32-d1:k{LONG}+3"], ids=lambda code: code[:9]
)
def test_codes_with_numbers_that_are_too_long(code: str) -> None:
    with pytest.raises(UserError) as error:
        Architecture.from_code(code)
    assert "is not a number" in one_line(error)


def test_a_first_line_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "networks.csv"
    path.write_text("architecture,latency_ms," + "x" * 200_000)
    with pytest.raises(UserError) as error:
        read_networks(space("tiny_32"), path)
    assert f"{path}, line 1: field larger than field limit" in one_line(error)


@pytest.mark.parametrize("content", [b"a," + b"x" * 200_000, b"a\n\xff\n"], ids=["long", "latin-1"])
def test_a_table_of_trials_that_is_damaged(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_csv(path)
    assert f"{path} is not valid CSV" in one_line(error)
