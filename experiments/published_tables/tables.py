"""Latency tables from published measurements of others.

    python experiments/published_tables/tables.py DATA [FOLDER]

DATA contains ``note10_block_latency/`` (CompOFA, Sahni et al. 2021: a YAML file of blocks per resolution)
and ``ofa_mbv3_gpu_latency.csv`` (HELP, Lee et al. 2021: 2,500 whole networks in three settings). The tables
are written into FOLDER, by default ``latency_tables``.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import note10
from published import SPACE, read_latencies

from nas.files import sha256
from nas.hardware import Device
from nas.latency.estimate.whole_networks import fit_measured
from nas.latency.table import LatencyTable
from nas.space import SearchSpace

BLOCKS, NETWORKS = "note10_block_latency", "ofa_mbv3_gpu_latency.csv"
SETTINGS = {
    "v100-batch1": Device(name="v100", machine="NVIDIA V100", runtime="unknown", provider="", batch=1),
    "v100-batch64": Device(name="v100", machine="NVIDIA V100", runtime="unknown", provider="", batch=64),
    "titan_xp-batch64": Device(
        name="titan_xp", machine="NVIDIA Titan Xp", runtime="unknown", provider="", batch=64
    ),
}
_PROVENANCE = {
    "source": "github.com/HayeonLee/HELP, data/ofa/latency",
    "publication": 'Lee et al. 2021, "HELP", section 4',
    "licence": "MIT",
    "unknown": "runtime and its version, precision, order of measuring",
}


def from_networks(path: Path, setting: str) -> LatencyTable:
    """A table fitted on one column of HELP's file."""
    return fit_measured(
        SearchSpace.load(SPACE),
        read_latencies(path, setting),
        device=SETTINGS[setting],
        name=setting,
        provenance={**_PROVENANCE, "sha256": sha256(path)},
    )


def main(data: Path, folder: Path) -> None:
    """Writes all tables and prints their errors."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in (
        note10.read(data / BLOCKS),
        *(from_networks(data / NETWORKS, setting) for setting in SETTINGS),
    ):
        table.save(folder / f"{table.name}.json")
        print(f"{table.name}: {table.accuracy.about() if table.accuracy else 'error unknown'}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "latency_tables"))
