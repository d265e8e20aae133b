"""Do the intervals of whole networks hold? ``python benchmarks/latency_intervals.py [MEASUREMENTS]``.

Five networks of 0.1 to 3 ms are measured again and again, as ``nas measure`` does, half of the time beside a
program that keeps the other core and the memory busy. Goals: of quiet measurements, the 95 % interval holds
the median of all quiet ones in at least 90 % of the cases, its half-width is at most 3 % or 1 µs, and at most
one in ten is marked as disturbed; of busy ones, what is off by more than 5 % is marked, or its interval
holds. A measurement takes about 27 seconds.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime

from nas.hardware import Device, describe_machine
from nas.latency.costs.intervals import Measured
from nas.latency.measure.networks import measure_networks
from nas.network import reference_network

NETWORKS = {
    "mobilenet_v2_cifar ×0.1, 16 px": ("mobilenet_v2_cifar", 0.1, 16),
    "mobilenet_v2 ×0.25, 32 px": ("mobilenet_v2", 0.25, 32),
    "mobilenet_v3_small ×0.5, 64 px": ("mobilenet_v3_small", 0.5, 64),
    "resnet20, 32 px": ("resnet20", 1.0, 32),
    "mobilenet_v3_large, 96 px": ("mobilenet_v3_large", 1.0, 96),
}
_BUSY = """
import numpy as np
a = np.ones((16, 1024, 1024), np.float32)
b, m = a.copy(), np.ones((256, 256), np.float32)
while True:
    b[:] = a
    m @ m
    a[:] = b
"""


@contextmanager
def busy_program() -> Iterator[None]:
    """Keeps a core and the memory busy while the body runs."""
    program = subprocess.Popen([sys.executable, "-c", _BUSY])
    try:
        yield
    finally:
        program.kill()
        program.wait()


def measure(seed: int, usual: dict[str, float] | None) -> Measured:
    """Measures the five networks once."""
    networks = {
        label: reference_network(name, width=width, resolution=resolution, classes=10)
        for label, (name, width, resolution) in NETWORKS.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        return measure_networks(
            networks, device=Device(name="here"), folder=Path(folder), usual=usual, seed=seed
        )


def main(count: int) -> None:
    """Measures ``count`` times and prints how often the intervals hold."""
    print(f"{describe_machine()}, onnxruntime {onnxruntime.__version__}, one thread")
    first = measure(0, {})
    usual = dict(first.references_ms)
    quiet = [measure(seed, usual) for seed in range(1, count // 2 + 1)]
    with busy_program():
        busy = [measure(seed, usual) for seed in range(1, count - count // 2 + 1)]
    print(f"marked as disturbed: {_marked(quiet)} quiet, {_marked(busy)} busy")
    for label in NETWORKS:
        truth = float(np.median([each.latencies[label].value for each in quiet]))
        held = sum(each.latencies[label].low <= truth <= each.latencies[label].high for each in quiet)
        halves = [_half_width(each, label) for each in quiet]
        values = np.array([each.latencies[label].value for each in quiet])
        unmarked = [
            each
            for each in busy
            if not each.disturbed
            and abs(each.latencies[label].value / truth - 1) > 0.05
            and not each.latencies[label].low <= truth <= each.latencies[label].high
        ]
        print(
            f"{label}: {1e3 * truth:.1f} µs; quiet: deviation {100 * np.std(np.log(values), ddof=1):.1f} "
            f"%, interval holds {held} of {len(quiet)}, half-width {np.median(halves):.1f} % (at most "
            f"{max(halves):.1f}); busy: {len(unmarked)} wrong without a word"
        )


def _marked(measurements: list[Measured]) -> str:
    return f"{sum(bool(each.disturbed) for each in measurements)} of {len(measurements)}"


def _half_width(measured: Measured, label: str) -> float:
    latency = measured.latencies[label]
    return 50 * (latency.high - latency.low) / latency.value


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
