"""The published costs of Once-for-All's networks, every digit."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nas.space import Architecture, SearchSpace

FILE = Path(__file__).resolve().parents[3] / "shared" / "data" / "ofa_mbv3_imagenet_top1.csv"


def architecture(row: dict[str, str]) -> Architecture:
    kernels, expansions = ([int(v) for v in row[name].split()] for name in ("kernel_sizes", "expand_ratios"))
    stages = [
        {
            "depth": depth,
            "kernel": kernels[4 * s : 4 * s + depth],
            "expand": expansions[4 * s : 4 * s + depth],
        }
        for s, depth in enumerate(int(v) for v in row["depths"].split())
    ]
    return Architecture.from_dict({"resolution": int(row["resolution"]), "stages": stages})


@pytest.mark.skipif(not FILE.exists(), reason="needs ../shared/data/ofa_mbv3_imagenet_top1.csv")
def test_parameters_and_macs_of_all_540_networks() -> None:
    space = SearchSpace.load("ofa_mobilenet_v3")
    with FILE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 540
    archs = [architecture(row) for row in rows]
    expected = [(int(row["params"]), int(row["macs"])) for row in rows]
    costs = space.costs(space.encode(archs))
    assert list(zip(costs["params"].tolist(), costs["macs"].tolist(), strict=True)) == expected
    first = space.network(archs[0])
    assert (first.params, first.macs) == expected[0]


def test_one_network_by_its_published_numbers() -> None:
    """The first row of that file, so that the check also runs without it."""
    row = {
        "kernel_sizes": "5 7 5 5 3 3 3 7 5 5 3 7 7 3 3 3 5 5 5 5",
        "expand_ratios": "4 3 4 4 4 6 3 4 4 3 4 3 3 6 6 6 4 3 4 4",
        "depths": "2 3 2 4 3",
        "resolution": "224",
    }
    network = SearchSpace.load("ofa_mobilenet_v3").network(architecture(row))
    assert (network.params, network.macs) == (5_029_656, 255_502_624)
