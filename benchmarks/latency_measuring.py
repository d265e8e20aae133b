"""The time for writing and measuring a kit: ``python benchmarks/latency_measuring.py [SPACE [ENTRIES]]``.

Goals, for ``ofa_mobilenet_v3`` and ONNX Runtime: the kit of the whole space in at most 60 s, in FP32 and in
INT8, and 1,000 entries measured in at most 10 minutes on one core. At most 12 minutes in all.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime

from nas.hardware import Device, describe_machine
from nas.latency.costs.windows import latencies
from nas.latency.kit.kit import Kit, write_kit
from nas.latency.plan.plan import turns_of
from nas.latency.plan.probes import plan_probes
from nas.latency.plan.usage import block_usage
from nas.latency.targets.run_kit import run_kit
from nas.runner.protocol import Progress, Protocol, is_enough
from nas.space import SearchSpace

BUDGET_S = 600.0


def main(name: str, entries: int) -> None:
    """Writes the kit of a space twice, and measures a random part of it."""
    space, rng = SearchSpace.load(name), np.random.default_rng(0)
    usage = block_usage(space, rng, classes=1000, input_channels=space.input_channels)
    blocks = space.block_specs()
    print(f"{describe_machine()}, onnxruntime {onnxruntime.__version__}, {name}: {len(blocks):,} blocks")
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("fp32", "int8"):
            device = Device(name="here", precision=precision).here()
            probes = plan_probes(blocks, input_channels=space.input_channels, usage=usage)
            start, cpu = time.perf_counter(), time.process_time()
            kit = write_kit(Path(folder) / precision, device=device, probes=probes, protocol=Protocol())
            took = f"{time.perf_counter() - start:.1f} s, {time.process_time() - cpu:.1f} CPU seconds"
            print(f"  kit in {precision}: {len(kit.entries):,} models, {took}")
        sample = [blocks[i] for i in rng.choice(len(blocks), min(entries, len(blocks)), replace=False)]
        probes = plan_probes(sample, input_channels=space.input_channels, usage=usage)[:entries]
        protocol = Protocol(budget_s=BUDGET_S, warm_up_s=2.0, turns=turns_of(usage))
        device = Device(name="here").here()
        kit = write_kit(Path(folder) / "part", device=device, probes=probes, protocol=protocol)
        _measure(kit, Path(folder) / "samples.jsonl", protocol)


def _measure(kit: Kit, samples: Path, protocol: Protocol) -> None:
    start = time.perf_counter()
    _, windows = run_kit(kit, samples, progress=_report)
    measured = latencies(windows)
    took_s = time.perf_counter() - start
    entries = [entry["id"] for entry in kit.entries if entry["role"] == "probe"]
    rounds_us = {name: [ms * 1e3 for ms in measured[name].rounds_ms] for name in entries}
    precise = sum(is_enough(rounds, protocol) for rounds in rounds_us.values())
    counts = [len(rounds) for rounds in rounds_us.values()]
    print(f"  {len(entries):,} entries: {took_s:.0f} s, {len(windows):,} windows")
    print(f"    {min(counts)} to {max(counts)} rounds per entry, {np.mean(counts):.1f} on average")
    print(f"    {precise / len(entries):.1%} as precise as configured")


def _report(progress: Progress) -> None:
    if progress.note:
        print(f"    {progress.note}")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(arguments[0] if arguments else "ofa_mobilenet_v3", int(arguments[1]) if arguments[1:] else 1000)
