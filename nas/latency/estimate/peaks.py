"""Measured peak rates of this machine, for its roofline."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import numpy as np

from nas.hardware import Device

MATRIX = 1024
COPIED_BYTES = 128 * 2**20
REPEATS = 10


def with_peaks_of_here(device: Device) -> Device:
    """The device with the peak rates of this machine, in FP32, with the device's number of threads.

    The compute peak is that of a large matrix product, the bandwidth that of copying more memory than caches
    hold. Both are the best of several repetitions, so that other load hardly matters.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(device.threads):
        flops, bandwidth = _flops_per_s(), _bytes_per_s()
    return dataclasses.replace(
        device,
        peak_flops=(("fp32", flops),),
        bandwidth_bytes_per_s=bandwidth,
        sources=(
            ("bandwidth_bytes_per_s", f"measured here: copying {COPIED_BYTES >> 20} MiB, best of {REPEATS}"),
            ("peak_flops", f"measured here: FP32 product of {MATRIX}×{MATRIX} matrices, best of {REPEATS}"),
        ),
    )


def _flops_per_s() -> float:
    rng = np.random.default_rng(0)
    a, b = (rng.random((MATRIX, MATRIX), dtype=np.float32) for _ in range(2))
    out = np.empty_like(a)
    return 2 * MATRIX**3 / _best(lambda: np.matmul(a, b, out=out))


def _bytes_per_s() -> float:
    source = np.ones(COPIED_BYTES, np.uint8)
    target = np.zeros_like(source)
    return 2 * COPIED_BYTES / _best(lambda: np.copyto(target, source))  # each byte is read and written


def _best(work: Callable[[], object]) -> float:
    """The shortest time of ``work``, in seconds."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
