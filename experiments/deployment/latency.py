"""Measures every exported file in its own runtime, one image at a time, on one CPU.

    python experiments/deployment/latency.py runs/deployment/NETWORK [FORMAT ...]

A visit is a fresh process, pinned to one CPU, that loads a file and runs it for a second. The files take
turns in shuffled rounds of visits. A sample is one call from Python, arrays in and out; the estimate is the
one of ``nas measure``. It writes NETWORK/latency.json.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from nas.deploy.formats import Predict, find_format, format_names
from nas.deploy.manifest import Artefact, read_manifest
from nas.files import write_json
from nas.hardware import describe_machine
from nas.runner.visits import estimate

FILE = "latency.json"
VISITS, WARM_UP_S, MEASURE_S = 3, 0.3, 1.0
STAND_INS = ("coreml", "tensorrt", "tensorrt_fp16", "tensorrt_int8")
"""Formats that another runtime computes where their own is missing: their time means nothing."""


def measure(run: Path, *, formats: Collection[str]) -> None:
    """Measures the files of a run and writes ``latency.json``."""
    files = [each for each in read_manifest(run / "deploy") if each.parity is not None]
    files = [each for each in files if each.format in formats and each.format not in STAND_INS]
    visits: dict[str, dict[int, list[float]]] = defaultdict(dict)
    rng = np.random.default_rng(0)
    for number in range(VISITS):
        for index in rng.permutation(len(files)):
            file = files[index]
            visits[file.format][number] = visit(file, run / "deploy" / file.file)
    values = {name: estimate(samples) for name, samples in visits.items()}
    latencies = {
        file.format: {
            "ms": 1e-3 * values[file.format][0],
            "half_width": values[file.format][1],
            "typical_ms": 1e-3 * float(np.median(np.concatenate(list(visits[file.format].values())))),
            "versions": dict(file.versions),
        }
        for file in files
    }
    write_json(run / FILE, {"machine": describe_machine(), "visits": VISITS, "formats": latencies})


def visit(file: Artefact, path: Path) -> list[float]:
    """The samples of a fresh process, in microseconds."""
    assert file.input is not None
    shape = [1, file.input.channels, file.input.resolution, file.input.resolution]
    done = subprocess.run(
        [sys.executable, __file__, "--visit", file.format, str(path), json.dumps(shape)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return [float(us) for us in json.loads(done.stdout.splitlines()[-1])]


def take_visit(format: str, path: Path, shape: list[int]) -> list[float]:
    """Runs a file in this process, on the last of its CPUs."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    predict, images = opened(format, path), np.random.default_rng(0).standard_normal(shape, np.float32)
    samples: list[float] = []
    start = time.perf_counter()
    while (now := time.perf_counter()) < start + WARM_UP_S + MEASURE_S:
        predict(images)
        if now > start + WARM_UP_S:
            samples.append(1e6 * (time.perf_counter() - now))
    return samples


def opened(format: str, path: Path) -> Predict:
    """Opens a file in this process, also where the project gives the runtime one of its own."""
    kind = find_format(format)
    module: Any = importlib.import_module(type(kind).__module__)
    return module.load(path) if hasattr(module, "load") else kind.open(path)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--visit":
        print(json.dumps(take_visit(sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4]))))
    else:
        measure(Path(sys.argv[1]), formats=sys.argv[2:] or format_names())
