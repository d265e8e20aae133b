"""Measuring on this machine in a separate process, which does nothing else."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from nas.latency.kit.packing import RUNNER
from nas.latency.targets.with_runner import objects
from nas.runner.errors import RunnerError
from nas.runner.protocol import Progress
from nas.runner.samples import crashed_at

_INTERRUPTED = 130
_FAULT = "error: "


def measure_in_process(kit: Path, samples: Path, *, progress: Callable[[Progress], None]) -> None:
    """Measures what ``samples`` lacks with the runner in the kit.

    Args:
        kit: Folder of a kit.
        samples: The file to which raw samples are appended. Measuring continues at its end.
        progress: Called with the progress of the measurement.

    Raises:
        RunnerError: As ``measure_kit`` does, or if the process dies.
    """
    kit, samples = kit.absolute(), samples.absolute()  # a relative path may begin with a dash
    command = [sys.executable, str(kit / RUNNER), str(kit), str(samples), "--raw", "--stream"]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
        ) as process,
    ):
        try:
            assert process.stdout is not None
            for _ in objects(process.stdout, progress):
                pass  # samples, which the process has written to the file itself
        except BaseException:
            process.kill()  # nobody reads its output any more; its samples are in the file
            raise
        code = process.wait()
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
        if code:
            raise RunnerError(_message(errors, code, model=crashed_at(samples)))


def _message(errors: IO[bytes], code: int, *, model: str) -> str:
    errors.seek(0)
    lines = [line for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    faults = [line.removeprefix(_FAULT) for line in lines if line.startswith(_FAULT)]
    if faults:
        return faults[-1]
    last = f": {lines[-1].strip()}" if lines else ""
    place = f" while it opened {model}" if model else ""
    end = f"ended with exit code {code}{place}{last}"
    return f"the process that measures {end}; the same command resumes from here"
