"""Parsers of files: kits, samples, results, evaluations, records, manifests, weights, models."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch

from nas.deploy.manifest import Artefact
from nas.deploy.manifest import read_manifest as read_deployed
from nas.hardware import Device
from nas.latency.costs.from_samples import measured_device, read_measurement, require_samples
from nas.latency.costs.intervals import measured_latencies
from nas.latency.kit.kit import Kit, write_kit
from nas.latency.kit.onnx_files import load_onnx
from nas.latency.plan.entries import KitNetwork
from nas.latency.storage import table_faults
from nas.network import NetworkSpec
from nas.nn import StaticNetwork
from nas.pretrained.tensor_file import read_tensors
from nas.records import RECORD, read_record, write_record
from nas.runner.measure import check_files, content_hash
from nas.runner.measure import read_manifest as read_kit
from nas.runner.onnx_file import read_onnx
from nas.runner.protocol import Protocol
from nas.runner.samples import read_samples
from nas.scoring.cache import EvaluationCache
from nas.training.weights import load_weights, save_weights
from tests.fuzz.parsers import Maker, Parser, of_files, of_json_files, of_values
from tests.training.recipes import digits

HEADER = {"kit": "0" * 64, "machine": "Board", "runtime_version": "1.0"}


def small() -> NetworkSpec:
    space = digits.small_space()
    return space.network(space.smallest(), classes=2, input_channels=1)


@cache
def kit(folder: Path) -> Kit:
    """A kit of one network, and the reference models."""
    networks = [KitNetwork("network-0", "network", small(), name="a")]
    return write_kit(folder / "kit", device=Device(name="board"), networks=networks, protocol=Protocol())


def kits(folder: Path) -> Parser[bytes]:
    def parse(path: Path) -> object:
        return check_files(kit(folder).folder, read_kit(path.parent))

    valid = ((kit(folder).folder / "manifest.json").read_bytes(),)
    return of_files("kits", valid, folder / "damaged/manifest.json", parse, 0.6)


def forged_kits(folder: Path) -> Parser[Any]:
    """Manifests with a hash that fits."""

    def parse(path: Path) -> object:
        value = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(value, dict):
            path.write_text(json.dumps({**value, "sha256": content_hash(value)}), encoding="utf-8")
        return check_files(kit(folder).folder, read_kit(path.parent))

    valid = (dict(kit(folder).manifest),)
    return of_json_files("forged kits", valid, folder / "forged/manifest.json", parse, 0.3)


def results(folder: Path) -> Parser[Any]:
    def parse(value: Any) -> object:
        content = {"schema": 1, "measurement": value, "sha256": content_hash(value)}
        with table_faults(folder):
            manifest, header, windows = read_measurement(content, path=folder / "result.json")
            require_samples(manifest, windows)
            device = measured_device(manifest, header)
            return measured_latencies(windows, {"a": "network-0"}, device=device, usual_ms={})

    entries = [entry["id"] for entry in kit(folder).entries]
    windows = [[name, n, 1.0, 3, [1.0, 2.0], 0.1, None, 0] for name in entries for n in range(3)]
    valid = ({"manifest": kit(folder).manifest, "header": HEADER, "windows": windows},)
    return of_values("results of measure.pyz", valid, parse, 0.3)


def samples(folder: Path) -> Parser[bytes]:
    window = {"entry": "network-0", "round": 0, "time": 1.5, "runs": 3, "samples": [1.0, 2.0], "took": 0.1}
    lines = "".join(json.dumps(each) + "\n" for each in (HEADER, window, {**window, "round": 1}))
    return of_files("samples", (lines.encode(),), folder / "samples.jsonl", read_samples, 1.0)


def evaluations(folder: Path) -> Parser[bytes]:
    line = json.dumps({"key": "k", "network": "r32", "correct": 3, "images": 5}) + "\n"
    network = small()

    def parse(path: Path) -> object:
        return EvaluationCache(path).get(network, 5)

    return of_files("evaluations", (line.encode() * 3,), folder / "evaluations.jsonl", parse, 1.0)


def records(folder: Path) -> Parser[bytes]:
    place = folder / "record"
    write_record(place, {"schema": 1, "step": "a", "settings": {"seed": 0}, "inputs": {}, "outputs": {}})
    valid = ((place / RECORD).read_bytes(),)
    return of_files("records", valid, place / RECORD, lambda path: read_record(path.parent), 1.0)


def manifests(folder: Path) -> Parser[bytes]:
    shipped = Artefact(name="a", format="onnx", file="a.onnx", sha256="0" * 64, size_bytes=9, parity=None)
    valid = (json.dumps({"artefacts": [shipped.to_dict()]}).encode(),)
    file = folder / "deploy/manifest.json"
    return of_files("manifests", valid, file, lambda path: read_deployed(path.parent), 0.6)


def weights(folder: Path) -> Parser[bytes]:
    model, file = StaticNetwork(small()), folder / "weights.safetensors"
    save_weights(model, file, metadata={"space": "small"})
    return of_files("weights", (file.read_bytes(),), file, lambda path: load_weights(model, path), 0.1)


def tensors(folder: Path) -> Parser[bytes]:
    file = folder / "tensors.safetensors"
    save_weights(StaticNetwork(small()), file, metadata={"space": "small"})
    return of_files("tensors", (file.read_bytes(),), file, read_tensors, 0.2)


def pickled_tensors(folder: Path) -> Parser[bytes]:
    file = folder / "tensors.pth"
    torch.save(StaticNetwork(small()).state_dict(), file)
    return of_files("pickled tensors", (file.read_bytes(),), file, read_tensors, 0.1)


def onnx_models(folder: Path) -> Parser[bytes]:
    valid = ((kit(folder).folder / "models/network-0.onnx").read_bytes(),)
    file = folder / "model.onnx"
    return of_files("ONNX", valid, file, lambda path: load_onnx(path, sizes={}, batch=1), 0.05)


def onnx_models_for_torch(folder: Path) -> Parser[bytes]:
    valid = ((kit(folder).folder / "models/network-0.onnx").read_bytes(),)
    return of_files("ONNX, for torch", valid, folder / "for_torch.onnx", read_onnx, 0.2)


OF_KITS = (kits, forged_kits, results, samples)
OF_RUNS = (evaluations, records, manifests, weights)
OF_OTHERS = (tensors, pickled_tensors, onnx_models, onnx_models_for_torch)
MAKERS: tuple[Maker, ...] = (*OF_KITS, *OF_RUNS, *OF_OTHERS)


def parsers(folder: Path) -> list[Parser[Any]]:
    """All of them, which read the files from ``folder``."""
    return [make(folder) for make in MAKERS]
