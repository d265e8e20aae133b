"""``nas measure``: measures ONNX files, here or on a device, and compares them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli.bars import progress_bar
from nas.cli.hydra.command import Job
from nas.cli.screen import CONSOLE, say
from nas.cli.steps.table.targets import target
from nas.config import Config, seconds
from nas.errors import UserError
from nas.files import sha256, write_json
from nas.hardware import Device

if TYPE_CHECKING:
    from nas.latency.costs.intervals import Measured

RESULT = "measured.json"


def measure(config: Config, job: Job) -> None:
    """Prints the latency of each file with its interval, and the ratios to the first; writes both.

    No provenance is recorded beside the result, which names the machine, the versions and the files itself.
    """
    folder = job.run_dir / "measured"
    if config.measure.result is not None:
        from nas.latency.measure.networks import read_networks

        measured = read_networks(Path(config.measure.result))
    else:
        measured = _measured(config, folder)
    _print(measured)
    write_json(folder / RESULT, _to_dict(measured))
    say(f"written: {folder / RESULT}")


def _measured(config: Config, folder: Path) -> Measured:
    """Measures the files. Raw samples stay until all are taken, so the same command resumes."""
    from nas.latency.kit.onnx_files import check_files
    from nas.latency.kit.precision import require_precision
    from nas.latency.measure.networks import measure_networks

    settings = config.measure
    files = named(settings.files)
    device = Device(**dataclasses.asdict(config.device))
    require_precision(device)
    budget_s = seconds(settings.budget, setting="measure.budget")
    check_files(files.values(), sizes=settings.sizes, batch=device.batch)
    samples = folder / f".{_identity(files, device, settings.sizes)}.partial"
    with progress_bar(f"measuring on {device.runtime}") as bar:
        measured = measure_networks(
            files,
            device=device,
            folder=samples,
            budget_s=budget_s,
            sizes=settings.sizes,
            target=None if config.table.host is None else target(config.table),
            seed=config.seed,
            progress=bar.measured,
        )
    shutil.rmtree(samples)
    return measured


def named(paths: Sequence[str], *, setting: str = "measure.files") -> dict[str, Path]:
    """Returns the files by short names: the file's name, or its path where two names are equal.

    Raises:
        UserError: If there is no file, or one is named twice.
    """
    if not paths:
        raise UserError(
            "measure.files is empty; name the files to measure: nas measure measure.files=[A.onnx,B.onnx]"
        )
    if repeated := [path for path, count in Counter(paths).items() if count > 1]:
        raise UserError(f"{setting} names {repeated[0]} twice; name each file once")
    counts = Counter(Path(path).name for path in paths)
    return {Path(path).name if counts[Path(path).name] == 1 else path: Path(path) for path in paths}


def _identity(files: Mapping[str, Path], device: Device, sizes: Mapping[str, int]) -> str:
    content = [[sha256(path) for path in files.values()], device.to_dict(), dict(sizes)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _print(measured: Measured) -> None:
    from nas.report.grid import print_grid

    first, device = next(iter(measured.latencies)), measured.device
    rows = []
    for name, latency in measured.latencies.items():
        ratio, low, high = measured.ratio(name, first)
        compared = ("1", "") if name == first else (f"{ratio:.3f}", f"{low:.3f} to {high:.3f}")
        interval = f"{latency.low:.4g} to {latency.high:.4g}"
        rows.append((name, f"{latency.value:.4g}", interval, f"{latency.typical:.4g}", *compared))
    heads = ("file", device.latency_unit, "95 % interval", "typical", "ratio", "95 % interval")
    print_grid([(text, "") for text in heads], rows, CONSOLE)
    runtime = f"{device.runtime} {device.runtime_version}"
    threads = f"{device.threads} thread{'s' if device.threads > 1 else ''}"
    say(f"measure: {device.machine}, {runtime}, {threads}, batch {device.batch}")
    say(f"measure: {about_speed(measured)}")


def about_speed(measured: Measured) -> str:
    """Describes how the machine's speed compares with earlier measurements, and what disturbed this one."""
    if measured.slowdown is None:
        speed = "no earlier measurement on this machine shows its usual speed"
    else:
        stated = "stated at the usual speed" if measured.is_restated else "as measured"
        speed = (
            f"the reference networks took {measured.slowdown:.2f} times their usual latency; latencies are "
            f"{stated}"
        )
    return f"warning: disturbed: {measured.disturbed}; {speed}" if measured.disturbed else speed


def _to_dict(measured: Measured) -> dict[str, Any]:
    first = next(iter(measured.latencies))
    return {
        "device": measured.device.to_dict(),
        "unit": measured.device.latency_unit,
        "slowdown": measured.slowdown,
        "disturbed": measured.disturbed,
        "references_ms": dict(measured.references_ms),
        "files": [
            {
                "file": name,
                **dataclasses.asdict(latency),
                "ratio": dict(zip(("value", "low", "high"), measured.ratio(name, first), strict=True)),
            }
            for name, latency in measured.latencies.items()
        ],
    }
