"""Measuring with a benchmark program, on a device without Python.

The protocol (rounds, references, when an entry has enough) runs on this machine. A sample is one start of the
program.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

from nas.errors import UserError
from nas.files import sha256
from nas.latency.kit.kit import Kit
from nas.latency.targets.benchmarks import Benchmark, find_benchmark
from nas.latency.targets.transport import Transport
from nas.runner.measure import measure_kit
from nas.runner.protocol import Model, Progress
from nas.runner.runtimes import Runtime


def measure_with_benchmark(
    kit: Kit,
    samples: Path,
    *,
    transport: Transport,
    binary: Path,
    progress: Callable[[Progress], None],
) -> None:
    """Copies the program and the models to the device if they are missing, and measures.

    Args:
        kit: The kit.
        samples: The file of raw samples on this machine.
        transport: The transport to the device.
        binary: The benchmark program, built for the device.
        progress: Called with the progress of the measurement.

    Raises:
        UserError: If the program is unknown, does not fit the device's runtime or fails, or a model is
            missing in the form that it reads.
        RunnerError: If the file belongs to another measurement.
    """
    runtime = _Native(kit, transport=transport, binary=binary)
    measure_kit(kit.folder, samples, progress=progress, runtime=runtime, machine=transport.machine())


@final
class _Native(Runtime):
    def __init__(self, kit: Kit, *, transport: Transport, binary: Path) -> None:
        self._benchmark = find_benchmark(binary)
        self._device: dict[str, Any] = kit.manifest["device"]
        self._benchmark.check(self._device)
        self._transport = transport
        self._there = transport.names()
        self._program = transport.path(self._push(binary, f"{binary.name}-{sha256(binary)[:12]}"))
        transport.run(f"chmod 755 {shlex.quote(self._program)}")

    @property
    def version(self) -> str:
        """The version in the device's description, since the program does not report it."""
        return str(self._device.get("runtime_version", ""))

    def open(self, path: Path) -> Model:
        model = self._benchmark.model(path)
        name = self._push(model, f"{sha256(model)[:24]}{model.suffix}")
        return _NativeModel(
            lambda runs: self._benchmark.script(
                self._program, self._transport.path(name), runs=runs, device=self._device
            ),
            transport=self._transport,
            benchmark=self._benchmark,
        )

    def _push(self, source: Path, name: str) -> str:
        if name not in self._there:
            self._transport.push(source, name)
            self._there.add(name)
        return name


@final
class _NativeModel(Model):
    def __init__(self, script: Callable[[int], str], *, transport: Transport, benchmark: Benchmark) -> None:
        self._script, self._transport, self._benchmark = script, transport, benchmark

    def time(self, runs: int) -> float:
        script = self._script(runs)
        lines = self._transport.run(script)
        seconds = self._benchmark.seconds("\n".join(lines))
        if seconds is None:
            tail = "; ".join(lines[-3:])
            raise UserError(
                f"{self._transport.name}: {self._benchmark.NAME} printed no latency, but: {tail}. Try it on "
                f"the device: {script}"
            )
        return runs * seconds
