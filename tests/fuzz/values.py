"""Parsers of JSON and YAML values: spaces, networks, devices, tables, winners, published accuracies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from nas.files import fields_of
from nas.hardware import Device
from nas.latency import LatencyTable
from nas.latency.estimate.roofline import roofline_table
from nas.latency.storage import table_faults
from nas.network.spec import read_network
from nas.published.accuracies import read_published
from nas.runner.measure import content_hash
from nas.search.results.results import read_winner
from nas.space import SearchSpace
from nas.space.reading import read_space
from tests.fuzz.parsers import ROOT, Maker, Parser, largest, of_json_files, of_values, space, yaml_of

PEAKS = Device(name="a", peak_flops=(("fp32", 1e11),), bandwidth_bytes_per_s=1e10)


def spaces(folder: Path) -> Parser[Any]:
    def parse(value: Any) -> object:
        made = SearchSpace(**read_space(value, name="space"))
        extremes = (made.smallest(), made.largest())
        return [made.network(each, classes=10, input_channels=3).blocks for each in extremes]

    names = ("tiny_32", "mixed_attention_32", "cell")
    return of_values("spaces", tuple(yaml.safe_load(yaml_of(name)) for name in names), parse, 0.3)


def networks(folder: Path) -> Parser[Any]:
    valid = (largest(space("tiny_32")).to_dict(),)
    file = folder / "network.json"
    return of_json_files("networks", valid, file, lambda path: read_network(path).blocks, 0.6)


def devices(folder: Path) -> Parser[Any]:
    def parse(value: Any) -> object:
        with fields_of(folder / "device.json", remedy="write it again"):
            return Device.from_dict(value)

    board = Device(name="board", machine="Board", runtime_version="1.0")
    return of_values("devices", (board.to_dict(), PEAKS.to_dict()), parse, 2.0)


def latency_tables(folder: Path) -> Parser[Any]:
    path, tiny = folder / "table.json", space("tiny_32")
    blocks = tiny.block_specs(resolutions=[32], classes=10)
    roofline_table(blocks[:20], device=PEAKS, name="a", space=tiny.name).save(path)
    content = json.loads(path.read_text(encoding="utf-8"))

    def parse(value: Any) -> object:
        sealed = {**content, "table": value, "sha256": content_hash(value)}
        with table_faults(path):
            return LatencyTable.from_content(sealed, path=path)

    return of_values("latency tables", (content["table"],), parse, 0.2)


def winners(folder: Path) -> Parser[Any]:
    tiny = space("tiny_32")
    winner = {
        "architecture": tiny.largest().to_dict(),
        "network": largest(tiny).to_dict(),
        "values": {"accuracy": 0.9, "latency_ms": 1.0},
        "estimated": {"accuracy": False, "latency_ms": False},
    }
    file = folder / "winner.json"
    return of_json_files("winners", (winner,), file, lambda path: read_winner(path.parent), 0.6)


def published_accuracies(folder: Path) -> Parser[Any]:
    ofa, path = space("ofa_mobilenet_v3"), ROOT / "published_accuracies/ofa_mobilenet_v3.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    value["top1_percent"] = dict(list(value["top1_percent"].items())[:40])
    file = folder / "published.json"
    return of_json_files(
        "published accuracies", (value,), file, lambda each: read_published(each, space=ofa), 0.1
    )


MAKERS: tuple[Maker, ...] = (spaces, networks, devices, latency_tables, winners, published_accuracies)


def parsers(folder: Path) -> list[Parser[Any]]:
    """All of them; those of files read them from ``folder``."""
    return [make(folder) for make in MAKERS]
