"""Everything that parses what others wrote, each with valid inputs to begin from."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from nas.blocks import parse_key
from nas.config import seconds
from nas.deploy.manifest import Artefact
from nas.deploy.manifest import read_manifest as read_deployed
from nas.errors import UserError
from nas.files import fields_of
from nas.hardware import Device
from nas.latency import LatencyTable
from nas.latency.costs.from_samples import measured_device, read_measurement, require_samples
from nas.latency.costs.intervals import measured_latencies
from nas.latency.estimate.networks_file import read_networks
from nas.latency.estimate.roofline import roofline_table
from nas.latency.kit.onnx_files import load_onnx
from nas.latency.storage import table_faults
from nas.latency.targets import Target, open_transport
from nas.network.spec import read_network
from nas.nn import StaticNetwork
from nas.pretrained.tensor_file import read_tensors
from nas.published.accuracies import read_published
from nas.records import read_record, write_record
from nas.runner.errors import RunnerError
from nas.runner.measure import check_files
from nas.runner.measure import read_manifest as read_kit
from nas.runner.onnx_file import read_onnx
from nas.runner.result import content_hash
from nas.runner.samples import read_samples
from nas.scoring.cache import EvaluationCache
from nas.search.results.results import read_winner
from nas.space import SearchSpace
from nas.space.reading import read_space, read_yaml
from nas.training.weights import load_weights, save_weights
from tests.fuzz.mutations import changed_bytes, changed_value
from tests.training.recipes import digits

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = (UserError, RunnerError)
"""Errors with a message for the user."""

Input = TypeVar("Input")


@dataclass(frozen=True)
class Parser(Generic[Input]):
    """A parser.

    Attributes:
        name: Its name.
        valid: Valid inputs.
        parse: Parses an input; raises one of ``EXPECTED`` for a wrong one.
        change: Changes a valid input.
        share: Its share of all inputs; slow parsers have a small one.
    """

    name: str
    valid: tuple[Input, ...]
    parse: Callable[[Input], object]
    change: Callable[[random.Random, Input], Input]
    share: float = 1.0


def text(change: Callable[[random.Random, bytes], bytes]) -> Callable[[random.Random, str], str]:
    """Changes text as bytes are changed."""
    return lambda rng, value: change(rng, value.encode()).decode(errors="replace")


def parsers(folder: Path) -> list[Parser[Any]]:
    """All parsers; those of files read them from ``folder``."""
    return [*of_text(folder), *of_values(folder), *of_files(folder)]


def of_text(folder: Path) -> list[Parser[Any]]:
    """Parsers of text: codes, keys, durations, hosts, YAML, CSV."""
    tiny, mixed = space("tiny_32"), space("mixed_32")
    rng = np.random.default_rng(0)
    codes, mixed_codes = (tuple(str(each.sample(rng)) for _ in range(4)) for each in (tiny, mixed))
    keys = tuple(str(block.key) for block in network(mixed).blocks)
    yaml_file, csv_file = folder / "space.yaml", folder / "networks.csv"
    rows = "".join(f"{tiny.sample(rng)},{1 + number}\n" for number in range(12))

    def parse_yaml(data: bytes) -> object:
        yaml_file.write_bytes(data)
        return SearchSpace(**read_yaml(yaml_file))

    def parse_csv(data: bytes) -> object:
        csv_file.write_bytes(data)
        return read_networks(tiny, csv_file)

    def parse_host(host: str) -> object:
        return open_transport(Target(host=host, binary=csv_file if host.startswith("adb") else None))

    hosts = ("user@pi", "local:", "adb:", "adb:R58M42", "pi.local", "root@10.0.0.2")
    return [
        Parser("architecture codes", codes, tiny.parse, text(changed_bytes), 2.0),
        Parser("architecture codes of several kinds", mixed_codes, mixed.parse, text(changed_bytes), 2.0),
        Parser("block keys", keys, parse_key, text(changed_bytes), 4.0),
        Parser("durations", ("90s", "5m", "1.5h", " 2 s"), seconds, text(changed_bytes), 4.0),
        Parser("hosts", hosts, parse_host, text(changed_bytes), 2.0),
        Parser("spaces as YAML", (yaml("tiny_32"), yaml("mixed_32")), parse_yaml, changed_bytes, 0.02),
        Parser(
            "measured networks as CSV",
            (
                f"architecture,latency_ms\n{rows}".encode(),
                f"architecture;latency_ms\n{rows}".replace(",", ";").encode(),
            ),
            parse_csv,
            changed_bytes,
            0.3,
        ),
    ]


def of_values(folder: Path) -> list[Parser[Any]]:
    """Parsers of JSON or YAML values."""
    tiny = space("tiny_32")
    found = network(tiny)
    device = Device(name="board", machine="Board", runtime_version="1.0")
    peaks = Device(name="a", peak_flops={"fp32": 1e11}, bandwidth_bytes_per_s=1e10)
    blocks = tiny.block_specs(resolutions=[32], classes=10)
    table_file = folder / "table.json"
    roofline_table(blocks[:20], device=peaks, name="a", space="tiny_32").save(table_file)
    table = json.loads(table_file.read_text(encoding="utf-8"))
    published = json.loads((ROOT / "published_accuracies/ofa_mobilenet_v3.json").read_text(encoding="utf-8"))
    published["top1_percent"] = dict(list(published["top1_percent"].items())[:40])
    winner = {
        "architecture": tiny.largest().to_dict(),
        "network": found.to_dict(),
        "values": {"accuracy": 0.9, "latency_ms": 1.0},
        "estimated": {"accuracy": False, "latency_ms": False},
    }

    def from_file(name: str, parse: Callable[[Path], object]) -> Callable[[Any], object]:
        """Parses a value that is written into a file first."""

        def parsed(value: Any) -> object:
            (folder / name).write_text(json.dumps(value), encoding="utf-8")
            return parse(folder / name)

        return parsed

    def parse_space(value: Any) -> object:
        made = SearchSpace(**read_space(value, name="space"))
        return [
            made.network(arch, classes=10, input_channels=3).blocks
            for arch in (made.smallest(), made.largest())
        ]

    def parse_table(value: Any) -> object:
        sealed = {**table, "table": value, "sha256": content_hash(value)}
        with table_faults(table_file):
            return LatencyTable.from_content(sealed, path=table_file)

    def parse_device(value: Any) -> object:
        with fields_of(folder / "device.json", remedy="write it again"):
            return Device.from_dict(value)

    def parse_network(path: Path) -> object:
        return read_network(path).blocks

    from yaml import safe_load

    spaces = tuple(safe_load(yaml(name)) for name in ("tiny_32", "mixed_attention_32", "cell"))
    ofa = space("ofa_mobilenet_v3")
    return [
        Parser("spaces", spaces, parse_space, changed_value, 0.3),
        Parser("networks", (found.to_dict(),), from_file("network.json", parse_network), changed_value, 0.6),
        Parser("devices", (device.to_dict(), peaks.to_dict()), parse_device, changed_value, 2.0),
        Parser("latency tables", (table["table"],), parse_table, changed_value, 0.2),
        Parser(
            "winners",
            (winner,),
            from_file("winner.json", lambda path: read_winner(path.parent)),
            changed_value,
            0.6,
        ),
        Parser(
            "published accuracies",
            (published,),
            from_file("published.json", lambda path: read_published(path, space=ofa)),
            changed_value,
            0.1,
        ),
    ]


def of_files(folder: Path) -> list[Parser[Any]]:
    """Parsers of files: kits, samples, weights, models, records, manifests."""
    from nas.latency.kit.kit import write_kit
    from nas.latency.plan.entries import KitNetwork
    from nas.runner.protocol import Protocol

    small_space = digits.small_space()
    small = small_space.network(small_space.smallest(), classes=2, input_channels=1)
    kit = write_kit(
        folder / "kit",
        device=Device(name="board"),
        networks=[KitNetwork("network-0", "network", small, name="a")],
        protocol=Protocol(),
    )
    model = StaticNetwork(small)
    weights, pickled, record = folder / "weights.safetensors", folder / "weights.pth", folder / "record"
    save_weights(model, weights, metadata={"space": "small"})
    torch.save(model.state_dict(), pickled)
    write_record(record, {"schema": 1, "step": "a", "settings": {"seed": 0}, "inputs": {}, "outputs": {}})
    onnx = next((folder / "kit" / "models").glob("network-0.onnx"))
    header = {"kit": "0" * 64, "machine": "Board", "runtime_version": "1.0"}
    window = {"entry": "network-0", "round": 0, "time": 1.5, "runs": 3, "samples": [1.0, 2.0], "took": 0.1}
    lines = "".join(json.dumps(each) + "\n" for each in (header, window, {**window, "round": 1}))
    entry = {"key": "k", "network": "r32", "correct": 3, "images": 5}
    shipped = Artefact(name="a", format="onnx", file="a.onnx", sha256="0" * 64, size_bytes=9, parity=None)
    deployed = json.dumps({"artefacts": [shipped.to_dict()]}).encode()

    def at(name: str, parse: Callable[[Path], object]) -> Callable[[bytes], object]:
        """Parses bytes that are written into a file first."""

        def parsed(data: bytes) -> object:
            path = folder / "read" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            return parse(path)

        return parsed

    def parse_kit(path: Path) -> object:
        manifest = read_kit(path.parent)
        return check_files(folder / "kit", manifest)

    def parse_result(value: Any) -> object:
        content = {"schema": 1, "measurement": value, "sha256": content_hash(value)}
        with table_faults(folder):
            manifest, header, windows = read_measurement(content, path=folder / "result.json")
            require_samples(manifest, windows)
            device = measured_device(manifest, header)
            return measured_latencies(windows, {"a": "network-0"}, device=device, usual_ms={})

    result = {
        "manifest": kit.manifest,
        "header": header,
        "windows": [
            [entry["id"], n, 1.0, 3, [1.0, 2.0], 0.1, None, 0] for entry in kit.entries for n in range(3)
        ],
    }
    return [
        Parser(
            "kits",
            ((folder / "kit/manifest.json").read_bytes(),),
            at("manifest.json", parse_kit),
            changed_bytes,
            0.6,
        ),
        Parser("results of measure.pyz", (result,), parse_result, changed_value, 0.3),
        Parser("samples", (lines.encode(),), at("samples.jsonl", read_samples), changed_bytes),
        Parser(
            "evaluations",
            ((json.dumps(entry) + "\n").encode() * 3,),
            at("evaluations.jsonl", lambda path: EvaluationCache(path, facts={})),
            changed_bytes,
        ),
        Parser(
            "records",
            ((record / "step.json").read_bytes(),),
            at("step.json", lambda p: read_record(p.parent)),
            changed_bytes,
        ),
        Parser(
            "manifests",
            (deployed,),
            at("manifest.json", lambda path: read_deployed(path.parent)),
            changed_bytes,
            0.6,
        ),
        Parser(
            "weights",
            (weights.read_bytes(),),
            at("a.safetensors", lambda p: load_weights(model, p)),
            changed_bytes,
            0.1,
        ),
        Parser("tensors", (weights.read_bytes(),), at("b.safetensors", read_tensors), changed_bytes, 0.2),
        Parser("pickled tensors", (pickled.read_bytes(),), at("b.pth", read_tensors), changed_bytes, 0.1),
        Parser("ONNX, for torch", (onnx.read_bytes(),), at("a.onnx", read_onnx), changed_bytes, 0.2),
        Parser(
            "ONNX",
            (onnx.read_bytes(),),
            at("b.onnx", lambda path: load_onnx(path, sizes={}, batch=1)),
            changed_bytes,
            0.05,
        ),
    ]


def space(name: str) -> SearchSpace:
    """A space that ships."""
    return SearchSpace.load(ROOT / "search_spaces" / f"{name}.yaml")


def yaml(name: str) -> bytes:
    """The file of a space that ships."""
    return (ROOT / "search_spaces" / f"{name}.yaml").read_bytes()


def network(of: SearchSpace) -> Any:
    """The largest network of a space."""
    return of.network(of.largest(), classes=10, input_channels=3)
