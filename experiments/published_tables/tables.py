"""Whole-network latencies on GPUs of the Once-for-All space that were published with HELP (Lee et al. 2021).

One CSV file with a column for each setting. Each setting gives a table that is derived from whole networks.
"""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import numpy as np

from nas.errors import UserError
from nas.files import sha256
from nas.hardware import Device
from nas.latency.estimate.whole_networks import Measured, fit_measured
from nas.latency.importers.registry import Importer, register
from nas.latency.table import LatencyTable
from nas.space import Architecture, SearchSpace

SPACE = "ofa_mobilenet_v3"
SETTINGS = {
    "v100-batch1": Device(name="v100", machine="NVIDIA V100", runtime="unknown", provider="", batch=1),
    "v100-batch64": Device(name="v100", machine="NVIDIA V100", runtime="unknown", provider="", batch=64),
    "titan_xp-batch64": Device(
        name="titan_xp", machine="NVIDIA Titan Xp", runtime="unknown", provider="", batch=64
    ),
}
_PLACES = 4  # blocks of a stage in the file, unused ones included
_PROVENANCE = {
    "source": "github.com/HayeonLee/HELP, data/ofa/latency",
    "publication": 'Lee et al. 2021, "HELP", section 4',
    "licence": "MIT",
    "unknown": "runtime and its version, precision, order of measuring",
}


def read(path: Path, *, setting: str) -> LatencyTable:
    """Fits a table on one column of the file.

    Raises:
        UserError: If the file is not of this format; the message names the line.
    """
    measured = read_setting(path, setting=setting)
    return fit_measured(
        SearchSpace.load(SPACE),
        measured,
        device=SETTINGS[setting],
        name=setting,
        provenance={**_PROVENANCE, "sha256": sha256(path)},
    )


def read_setting(path: Path, *, setting: str) -> Measured:
    """The networks of the file and their latencies in one setting.

    Raises:
        UserError: If the file is not of this format; the message names the line.
    """
    space, column = SearchSpace.load(SPACE), f"{setting.replace('-', '_')}_ms"
    archs, latency_ms = [], []
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        for row in reader:
            try:
                archs.append(space.canonical(_architecture(row)))
                latency_ms.append(float(row[column]))
            except (KeyError, TypeError, ValueError) as error:
                raise UserError(
                    f"{path}, line {reader.line_num}: not a line of HELP's latencies ({error}); it needs "
                    f"kernel_sizes, expand_ratios, depths, resolution and {column}"
                ) from None
    return Measured(space.encode(archs), np.array(latency_ms))


def _architecture(row: dict[str, str]) -> Architecture:
    depths = [int(text) for text in row["depths"].split()]
    per_block = {
        "kernel": [int(text) for text in row["kernel_sizes"].split()],
        "expand": [int(text) for text in row["expand_ratios"].split()],
    }
    stages = [
        {"depth": depth, **{name: values[_PLACES * i :][:depth] for name, values in per_block.items()}}
        for i, depth in enumerate(depths)
    ]
    return Architecture.from_dict({"resolution": int(row["resolution"]), "stages": stages})


for _setting, _device in SETTINGS.items():
    _what = f"HELP's latencies of whole networks on {_device.machine}, batch {_device.batch}"
    register(Importer(_setting, _what, partial(read, setting=_setting)))
