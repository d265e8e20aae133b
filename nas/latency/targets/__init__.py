"""Measuring on another device: how it is reached, and what runs there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nas.errors import UserError
from nas.latency.kit.kit import Kit
from nas.latency.targets import adb, local, ssh
from nas.latency.targets.transport import Target, Transport, open_transport, transports
from nas.latency.targets.with_benchmark import measure_natively
from nas.latency.targets.with_runner import measure_carried
from nas.runner.errors import RunnerError
from nas.runner.protocol import Progress

__all__ = ["Target", "Transport", "adb", "local", "measure_remotely", "open_transport", "ssh", "transports"]


def measure_remotely(
    kit: Kit, samples: Path, *, target: Target, progress: Callable[[Progress], None] = lambda _: None
) -> None:
    """Measures on a target what is missing in ``samples``: with the kit's runner, or a benchmark binary.

    Args:
        kit: The kit.
        samples: The file of raw samples, on this machine; each is appended as it comes.
        target: How the device is reached, and what measures there.
        progress: Is told how far it is.

    Raises:
        UserError: If the device cannot be reached, or what runs there fails; the message repeats its own.
    """
    transport = open_transport(target)
    try:
        if target.binary is None:
            measure_carried(kit, samples, transport=transport, python=target.python, progress=progress)
        else:
            measure_natively(kit, samples, transport=transport, binary=target.binary, progress=progress)
    except RunnerError as error:
        raise UserError(str(error)) from None
