"""Kits: a folder of ONNX models and a manifest, which the runner measures on the target."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from nas.files import atomic, sha256, write_json
from nas.hardware import Device
from nas.latency.kit.graphs import chain_model, network_model
from nas.latency.kit.onnx_files import load_onnx
from nas.latency.kit.packing import RUNNER, pack_runner
from nas.latency.kit.precision import in_precision, require_precision
from nas.latency.kit.references import MODELS
from nas.latency.plan.entries import REFERENCE, REFERENCE_NETWORKS, KitNetwork
from nas.latency.plan.probes import Probe
from nas.runner.measure import MANIFEST, SCHEMA, content_hash
from nas.runner.protocol import Protocol

_MODELS = "models"


@dataclass(frozen=True)
class Kit:
    """A kit on disk.

    Attributes:
        folder: Its folder.
        manifest: Its manifest.
    """

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def entries(self) -> Sequence[Mapping[str, Any]]:
        """The entries of the manifest: ``id``, ``role``, ``file``, ``sha256``, blocks or network."""
        entries: Sequence[Mapping[str, Any]] = self.manifest["entries"]
        return entries

    @property
    def device(self) -> Device:
        return Device.from_dict(self.manifest["device"])


def write_kit(
    folder: Path,
    *,
    device: Device,
    probes: Iterable[Probe] = (),
    networks: Iterable[KitNetwork] = (),
    protocol: Protocol,
    table: Mapping[str, str] | None = None,
    usual_ms: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Kit:
    """Writes a kit with its runner. Equal arguments give equal files.

    Args:
        folder: Its folder. The files of an earlier kit there are replaced.
        device: The target, runtime included.
        probes: Chains of blocks.
        networks: Whole networks.
        protocol: How to measure.
        table: ``name`` and ``space`` of the latency table that the kit is for.
        usual_ms: Latencies of the reference models in an earlier measurement on this device. A measurement
            in visits goes on until the reference networks are as fast.
        seed: Seed of the random weights.

    Raises:
        UserError: If the device's runtime does not run its precision, or an INT8 model would leave a
            convolution in float.
    """
    require_precision(device)
    entries = [_write_reference(folder, name, device) for name in MODELS]
    entries += [_write_probe(folder, probe, device, seed) for probe in probes]
    networks = tuple(networks)
    entries += [
        _write_network(folder, network, device, seed) | {"usage": 1 / len(networks)} for network in networks
    ]
    _remove_others(folder, entries)
    pack_runner(folder / RUNNER)
    manifest = {
        "schema": SCHEMA,
        "runner_sha256": sha256(folder / RUNNER),
        "table": dict(table or {}),
        "device": device.to_dict(),
        "protocol": protocol.to_dict(),
        "usual_us": {
            name: round(1e3 * ms, 3) for name, ms in (usual_ms or {}).items() if name in REFERENCE_NETWORKS
        },
        "entries": entries,
    }
    manifest = json.loads(json.dumps(manifest))
    write_json(folder / MANIFEST, {**manifest, "sha256": content_hash(manifest)})
    return Kit(folder, manifest)


def _remove_others(folder: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Removes the files of an earlier kit. Models that the user converted stay with their originals.

    A runtime's cache of selected kernels stays too, so that measuring continues with the same kernels.
    """
    stems = {Path(entry["file"]).stem for entry in entries}
    for path in (folder / _MODELS).iterdir():
        if path.stem not in stems and path.suffix != ".cache":
            path.unlink()


def _rng(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _write_reference(folder: Path, name: str, device: Device) -> dict[str, Any]:
    """Writes a reference model, whose weights are the same in all kits."""
    model = MODELS[name](device.batch, _rng(name, 0))
    return _entry(folder, name, REFERENCE, in_precision(model, device=device), {})


def _write_probe(folder: Path, probe: Probe, device: Device, seed: int) -> dict[str, Any]:
    model = chain_model(probe.blocks, batch=device.batch, rng=_rng(probe.id, seed))
    described = {
        "blocks": [block.key for block in probe.blocks],
        "target": list(probe.target),
        "context": probe.context,
        "usage": probe.usage,
    }
    return _entry(folder, probe.id, "probe", in_precision(model, device=device), described)


def _write_network(folder: Path, entry: KitNetwork, device: Device, seed: int) -> dict[str, Any]:
    described: dict[str, Any] = {"name": entry.name} if entry.name else {}
    if isinstance(entry.network, Path):
        model = load_onnx(entry.network, sizes=entry.sizes, batch=device.batch)
        return _entry(folder, entry.id, entry.role, model, {**described, "source": entry.network.name})
    model = network_model(entry.network, batch=device.batch, rng=_rng(entry.id, seed))
    described["network"] = entry.network.to_dict()
    return _entry(folder, entry.id, entry.role, in_precision(model, device=device), described)


def _entry(
    folder: Path, name: str, role: str, model: onnx.ModelProto, described: dict[str, Any]
) -> dict[str, Any]:
    file = f"{_MODELS}/{name}.onnx"
    with atomic(folder / file) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
    return {"id": name, "role": role, "file": file, "sha256": sha256(folder / file), **described}
