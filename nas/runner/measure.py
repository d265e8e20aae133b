"""Measuring a kit: reads its manifest, opens its models, and appends raw samples to a file."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import RunnerError
from .machine import describe_machine, names_emulated
from .other_load import OtherPrograms
from .protocol import Model, Progress, Protocol
from .runtimes import Runtime, open_runtime, takes_turns
from .samples import SampleFile, crashed_at, opening
from .session import Session

MANIFEST = "manifest.json"
SCHEMA = 2
_EMULATED = "this processor is emulated: the latencies will be the emulator's, and the table says so"
_MODEL = re.compile(r"models/[\w.-]{1,200}")  # no other folder, and no name of two lines


def read_manifest(kit: Path) -> dict[str, Any]:
    """The manifest of a kit.

    Raises:
        RunnerError: If there is none, it has another schema, or was changed.
    """
    try:
        manifest = json.loads((kit / MANIFEST).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise RunnerError(f"{kit} is not a kit: it has no {MANIFEST}; name the folder of a kit") from None
    except (ValueError, RecursionError) as error:
        raise RunnerError(f"{kit / MANIFEST} is damaged ({error}); write the kit again") from None
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if schema != SCHEMA:
        raise RunnerError(
            f"{kit} is a kit of schema {schema!r}, this program reads {SCHEMA}; write the kit again"
        )
    if manifest.pop("sha256", None) != content_hash(manifest):
        raise RunnerError(
            f"{kit / MANIFEST} was changed after it was written (its hash does not fit); write the kit again"
        )
    return dict(manifest)


def content_hash(value: Any) -> str:
    """The SHA-256 of a JSON value, in hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def check_files(kit: Path, manifest: dict[str, Any]) -> None:
    """Checks that every model of a kit exists unchanged.

    Raises:
        RunnerError: If one does not, or the manifest does not list them as it should.
    """
    fault = RunnerError(f"{kit / MANIFEST} does not list the models of a kit; write the kit again")
    keys = ("file", "sha256", "id", "role")
    try:
        listed = [[entry[key] for key in keys] for entry in manifest["entries"]]
    except (LookupError, TypeError):
        raise fault from None
    if not all(isinstance(value, str) for values in listed for value in values):
        raise fault
    if not all(_MODEL.fullmatch(name) for name, *_ in listed):
        raise fault
    for name, written, *_ in listed:
        path = kit / name
        if not path.is_file():
            raise RunnerError(f"{path} is missing from the kit; write the kit again")
        if hashlib.sha256(path.read_bytes()).hexdigest() != written:
            raise RunnerError(f"{path} was changed after the kit was written; write the kit again")


def measure_kit(
    kit: Path,
    samples: Path,
    *,
    progress: Callable[[Progress], None] = lambda _: None,
    listen: Callable[[str], None] = lambda _: None,
    runtime: Runtime | None = None,
    machine: str = "",
    visit: int | None = None,
    replay: bool = True,
) -> None:
    """Measures what ``samples`` lacks.

    Args:
        kit: Folder of a kit.
        samples: The file to which raw samples are appended. Measuring continues at its end.
        progress: Called with the progress of the measurement.
        listen: Called with every line of the file, existing ones at once.
        runtime: The runtime that runs the models; by default the kit's, on this machine.
        machine: A description of the machine; by default of this one.
        visit: The only visit to take; ``None`` takes all rounds in this process.
        replay: Whether ``listen`` gets the existing lines.

    Raises:
        RunnerError: If the kit is damaged or for another machine or version, the runtime is missing or falls
            back to another provider, or the file belongs to another kit, device or version.
    """
    manifest = read_manifest(kit)
    check_files(kit, manifest)
    is_here = runtime is None
    turns = is_here and takes_turns(manifest["device"])
    runtime = runtime or open_runtime(manifest["device"])
    machine = machine or describe_machine()
    _check_target(manifest["device"], machine, runtime.version)
    header = {
        "kit": kit_hash(manifest),
        "device": manifest["device"],
        "machine": machine,
        "runtime_version": runtime.version,
    }
    protocol = Protocol.from_dict(manifest["protocol"])
    if visit is not None:
        protocol = protocol.visit(visit)
    file = SampleFile(samples, header=header, listen=listen, replay=replay)
    paths = {entry["id"]: kit / entry["file"] for entry in manifest["entries"]}
    references, probes = (
        [entry["id"] for entry in manifest["entries"] if entry["role"] == role]
        for role in ("reference", "probe")
    )

    def open_model(name: str) -> Model:
        with opening(samples, name):
            return runtime.open(paths[name])

    try:
        if names_emulated(machine):
            progress(Progress(0, 0, 0.0, _EMULATED))
        if name := crashed_at(samples):
            progress(Progress(0, 0, 0.0, _crashed(name)))
        if protocol.warm_up_s > 0 and references:
            _warm_up(open_model(references[0]), seconds=protocol.warm_up_s)
        Session(
            [name for name in paths if name not in references],
            references=references,
            in_turns=probes if turns else [],
            open_model=open_model,
            save=file.append,
            protocol=protocol,
            clock=time.perf_counter,
            wall=time.time,
            others=OtherPrograms().cpus if is_here else lambda: None,
            open_at_once=runtime.open_at_once,
            has_room=runtime.has_room,
            leave_open=runtime.leaves_open,
            windows=file.windows,
            usage={entry["id"]: entry.get("usage", 1.0) for entry in manifest["entries"]},
            visit=visit or 0,
            progress=progress,
        ).run()
    finally:
        file.close()


def profile_kit(kit: Path) -> dict[str, list[tuple[str, float]]]:
    """The operators of each model of a kit, and their microseconds, from the runtime's own profiler.

    Profiling costs time at each operator. The figures show fused and slow operators, not latencies.

    Raises:
        RunnerError: If the kit is damaged, or the runtime is missing or has no profiler.
    """
    manifest = read_manifest(kit)
    check_files(kit, manifest)
    runtime = open_runtime(manifest["device"])
    return {entry["id"]: runtime.profile(kit / entry["file"]) for entry in manifest["entries"]}


def _crashed(name: str) -> str:
    return (
        f"the last process ended while it opened {name}; if it does so again, this runtime crashes on that "
        "model: leave out its block, or choose another runtime"
    )


def _warm_up(model: Model, *, seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        model.time(10)
    model.close()


def _check_target(device: dict[str, Any], machine: str, version: str) -> None:
    """Fills in the open fields of the device, and checks the others."""
    if device.get("machine", "") not in ("", machine):
        raise RunnerError(
            f"the kit is for {device['machine']}, but this is {machine}; measure there, or write a kit with "
            "device.machine left empty"
        )
    if not version.startswith(device.get("runtime_version", "")):
        raise RunnerError(
            f"the kit is for {device['runtime']} {device['runtime_version']}, but {version} is installed; "
            "install that version, or write a kit with device.runtime_version left empty"
        )


def kit_hash(manifest: dict[str, Any]) -> str:
    """The identity of a kit: its models and its device, but not its protocol, which may be extended."""
    content = [[entry["id"], entry["sha256"]] for entry in manifest["entries"]]
    return hashlib.sha256(json.dumps([content, manifest["device"]], sort_keys=True).encode()).hexdigest()[:16]
