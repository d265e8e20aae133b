"""Running a kit in this process, in a separate one, or on another device."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.latency.kit.kit import Kit
from nas.latency.targets.process import measure_in_process
from nas.latency.targets.transport import Target, open_transport
from nas.latency.targets.with_benchmark import measure_with_benchmark
from nas.latency.targets.with_runner import measure_with_runner
from nas.runner.errors import RunnerError
from nas.runner.measure import measure_kit
from nas.runner.protocol import Progress, Window
from nas.runner.runtimes import needs_process
from nas.runner.samples import read_samples

LOG = logging.getLogger(__name__)

SAMPLES = "samples.jsonl"
Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Reports nothing."""


def run_kit(
    kit: Kit, samples: Path, *, target: Target | None = None, progress: Report = silent
) -> tuple[dict[str, Any], list[Window]]:
    """Measures the entries of a kit that ``samples`` lacks.

    Args:
        kit: The kit.
        samples: File of raw samples on this machine. Each sample is appended as it is taken.
        target: How to reach the device, and what measures there; ``None`` for this machine.
        progress: Called with the progress of the measurement.

    Returns:
        The header of the file (machine, runtime version, kit) and all its windows.

    Raises:
        UserError: If the kit was changed, the runtime is missing or falls back to another provider, the
            device cannot be reached, or the file belongs to another kit, device or version.
    """

    def report(state: Progress) -> None:
        if state.note:
            LOG.warning(state.note)
        else:
            progress(state)

    try:
        if target is None:
            apart = kit.manifest["protocol"]["visits"] > 1 or needs_process(dict(kit.manifest["device"]))
            measure = measure_in_process if apart else measure_kit
            measure(kit.folder, samples, progress=report)
        elif target.binary is None:
            measure_with_runner(
                kit, samples, transport=open_transport(target), python=target.python, progress=report
            )
        else:
            measure_with_benchmark(
                kit, samples, transport=open_transport(target), binary=target.binary, progress=report
            )
        header, windows = read_samples(samples)
    except RunnerError as error:
        raise UserError(str(error)) from None
    return header or {}, windows
