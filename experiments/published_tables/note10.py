"""The block latencies of a Samsung Galaxy Note10 from CompOFA (Sahni et al. 2021).

There is one YAML file per resolution, with mean, standard deviation and count of each block. The space is
that of Once-for-All, 1.2 times as wide. No whole network was measured, so the error of the table is unknown.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from nas.blocks import BlockSpec
from nas.blocks.conv import ConvSpec
from nas.blocks.inverted_residual import InvertedResidualSpec
from nas.blocks.linear import LinearSpec
from nas.blocks.pool import PoolSpec
from nas.hardware import Device
from nas.latency.models.blocks import BlockCost, BlockModel
from nas.latency.table import LatencyTable, Record
from nas.space import SearchSpace

NAME = "samsung_note10-tflite"
SPACE = "ofa_mobilenet_v3_w12"
_FILE = re.compile(r"(\d+)_lookup_table\.yaml")
_DEVICE = Device(
    name="samsung_note10",
    machine="Samsung Galaxy Note10",
    runtime="tflite",
    provider="",
)
_PROVENANCE = {
    "source": "github.com/gatech-sysml/CompOFA, NAS/checkpoints/latency_table@note10",
    "publication": 'Sahni et al. 2021, "CompOFA", section 4',
    "licence": "Apache-2.0",
    "unknown": "version of TFLite, threads, processor core",
}


@dataclass(frozen=True)
class _Timing:
    """The files' timing of one block.

    Attributes:
        mean_ms: Mean latency.
        std_ms: Standard deviation of the runs.
        count: Number of runs.
    """

    mean_ms: float
    std_ms: float
    count: int


def read(folder: Path) -> LatencyTable:
    """The table of a folder of files ``R_lookup_table.yaml``.

    The provenance lists blocks of the space at the published resolutions that the files lack.
    """
    published, resolutions = _read_files(folder)
    blocks = SearchSpace.load(SPACE).block_specs(resolutions=resolutions)
    by_block = {block: published[name] for block in blocks if (name := published_name(block)) in published}
    timings = {block.key: _pooled(timings) for block, timings in by_block.items()}
    missing = [block.key for block in blocks if block.key not in timings]
    return LatencyTable(
        name=NAME,
        device=_DEVICE,
        space=SPACE,
        model=BlockModel({key: _cost(timing) for key, timing in timings.items()}),
        probes=tuple(
            Record("probe", (key,), timing.mean_ms, timing.std_ms, timing.count, target=(key,))
            for key, timing in timings.items()
        ),
        protocol={"method": "published block latencies, each block by itself"},
        provenance={
            **_PROVENANCE,
            "resolutions": " ".join(map(str, resolutions)),
            "missing": " ".join(missing) or "none",
        },
    )


def published_name(block: BlockSpec) -> str:
    """The name of a block in the files; empty for blocks that they cannot contain."""
    sizes = f"input:{_size(block.in_height, block.in_channels)}-output:{_out_size(block)}"
    if isinstance(block, InvertedResidualSpec):
        flags = f"se:{int(block.squeeze_channels > 0)}-hs:{int(block.activation == 'hard_swish')}"
        expand = f"expand:{block.expanded_channels}-kernel:{block.kernel}-stride:{block.stride}"
        return f"expanded_conv-{sizes}-{expand}-{flags}"
    if isinstance(block, ConvSpec):
        return f"Conv-{sizes}" if block.kernel == 3 else f"Conv_1-{sizes}"
    if isinstance(block, PoolSpec):
        return f"AvgPool2D-{sizes}"
    if isinstance(block, LinearSpec) and block.activation != "identity":
        return f"Conv_2-{sizes}"
    if isinstance(block, LinearSpec):
        return f"Logits-input:{_size(1, block.in_channels)}-output:{block.out_channels}"
    return ""


def _size(height: int, channels: int) -> str:
    return f"{height}x{height}x{channels}"


def _out_size(block: BlockSpec) -> str:
    return _size(block.out_shape.height, block.out_shape.channels)


def _read_files(folder: Path) -> tuple[dict[str, list[_Timing]], list[int]]:
    """The timings of each block in the files, and their resolutions."""
    files = {int(match[1]): path for path in folder.glob("*.yaml") if (match := _FILE.fullmatch(path.name))}
    assert files, f"{folder} holds no file like 224_lookup_table.yaml, as CompOFA's table does"
    published: dict[str, list[_Timing]] = defaultdict(list)
    for _, path in sorted(files.items()):
        for name, item in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            published[_without_shortcut(name)].append(_Timing(item["mean"], item["std"], item["count"]))
    return dict(published), sorted(files)


def _without_shortcut(name: str) -> str:
    """A name without the shortcut flag, which follows from the shapes and is inconsistent in the files."""
    return re.sub(r"-idskip:\d", "", str(name)).removesuffix(":")


def _pooled(timings: list[_Timing]) -> _Timing:
    """One timing from several of the same block, in the files of several resolutions."""
    counts = np.array([timing.count for timing in timings])
    means = np.array([timing.mean_ms for timing in timings])
    mean = float(np.average(means, weights=counts))
    squares = np.array([timing.std_ms**2 for timing in timings]) + (means - mean) ** 2
    return _Timing(mean, float(np.sqrt(np.average(squares, weights=counts))), int(counts.sum()))


def _cost(timing: _Timing) -> BlockCost:
    return BlockCost(timing.mean_ms, timing.std_ms / timing.count**0.5)
