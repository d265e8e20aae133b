"""Measuring with a kit's runner, on a device with Python, numpy and the runtime.

The device writes its samples into its own file and prints each of them. This machine saves printed samples at
once, so that neither a broken connection nor a killed process on either side loses one.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.files import sha256
from nas.latency.kit.kit import Kit
from nas.latency.kit.packing import RUNNER, pack_folder
from nas.latency.targets.transport import Transport
from nas.runner.measure import MANIFEST, kit_hash
from nas.runner.protocol import Progress
from nas.runner.samples import SampleFile, parse_window


def measure_with_runner(
    kit: Kit,
    samples: Path,
    *,
    transport: Transport,
    python: str,
    progress: Callable[[Progress], None],
) -> None:
    """Copies runner and kit to the device if they are missing, measures, and saves samples as they arrive.

    Args:
        kit: The kit.
        samples: The file of raw samples on this machine.
        transport: The transport to the device.
        python: The command for Python on the device.
        progress: Called with the progress of the measurement.

    Raises:
        UserError: If the device cannot be reached, or measuring fails there.
        RunnerError: If the file belongs to another measurement.
    """
    runner = f"measure-{sha256(kit.folder / RUNNER)[:12]}.pyz"
    packed = f"kit-{sha256(kit.folder / MANIFEST)[:12]}"
    table = f"table-{kit_hash(dict(kit.manifest))}"
    there = transport.names()
    if runner not in there:
        transport.push(kit.folder / RUNNER, runner)
    if f"{packed}.zip" not in there:
        _push_kit(kit, f"{packed}.zip", transport)
    if samples.is_file() and f"{table}.samples.jsonl" not in there:  # the device has been cleaned
        transport.push(samples, f"{table}.samples.jsonl")
    paths = [shlex.quote(transport.path(name)) for name in (runner, f"{packed}.zip", f"{table}.json")]
    keep(transport.stream(f"exec {python} {' '.join(paths)} --stream"), samples, progress=progress)
    old = [shlex.quote(transport.path(name)) for name in (f"{packed}.zip", f"{packed}-unpacked")]
    transport.run(f"rm -rf {' '.join(old)}")


def _push_kit(kit: Kit, name: str, transport: Transport) -> None:
    archive = kit.folder.with_name(name)
    try:
        pack_folder(kit.folder, [MANIFEST, *(entry["file"] for entry in kit.entries)], archive)
        transport.push(archive, name)
    finally:
        archive.unlink(missing_ok=True)


def keep(lines: Iterable[str], samples: Path, *, progress: Callable[[Progress], None]) -> None:
    """Appends the samples that a device prints and ``samples`` lacks.

    Args:
        lines: All lines of the device's own sample file, with progress between them.
        samples: The file on this machine. The device's file has to begin with its content.
        progress: Called with the progress of the device.

    Raises:
        UserError: If the two files differ.
        RunnerError: If the file belongs to another measurement.
    """
    values = objects(lines, progress)
    header = next(values, None)
    if header is None:
        raise UserError("the device printed no samples; measure again")
    file = SampleFile(samples, header=header)
    try:
        for number, value in enumerate(values):
            window = parse_window(value)
            if number >= len(file.windows):
                file.append(window)
            elif file.windows[number] != window:
                raise UserError(
                    f"{samples} differs from the device's own file in sample {number + 1}; delete one of them"
                )
    finally:
        file.close()


def objects(lines: Iterable[str], progress: Callable[[Progress], None]) -> Iterator[dict[str, Any]]:
    """The JSON objects in the runner's printed lines. Progress is reported at once.

    A login or a library may print other lines, and a line may be cut off.
    """
    for line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(value, dict):
            continue
        if "progress" in value:
            progress(Progress(*value["progress"]))
        else:
            yield value
