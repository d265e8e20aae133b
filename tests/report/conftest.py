"""A complete run folder from the steps' own writers: a search that costs nothing, made-up latencies."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.arrays import IntArray
from nas.deploy import Artefact, Parity, Spread, write_manifest
from nas.files import sha256, write_json
from nas.hardware import Device
from nas.latency import Accuracy, BlockCost, BlockModel, Correction, LatencyTable, Record
from nas.latency.models.accuracy import compare
from nas.network import NetworkSpec, reference_network
from nas.report import report
from nas.report.sections.base import Run
from nas.report.sections.every import SECTIONS
from nas.search import Goals, Problem, Study, make_sampler, search
from nas.search.goals import objectives
from nas.space import SearchSpace
from nas.training.history_csv import write_csv
from nas.training.trust import BAND, Agreement, Compared, calibrating, random_only, ranking, thirds

CLASSES = ("cat", "dog", "fox")
BEST = "mobilenet_v2 ×0.35"


class Predictor:
    """A latency that follows from the MACs alone."""

    def predict_many(
        self, space: SearchSpace, rows: IntArray, *, classes: int, input_channels: int | None
    ) -> Any:
        return 0.04 + 4e-8 * space.costs(rows, classes=classes)["macs"]

    def is_estimate(self, network: NetworkSpec) -> bool:
        return False


def score(networks: Sequence[NetworkSpec]) -> list[float]:
    return [1 - 0.05 * (1e6 / network.macs) ** 0.5 - 0.01 * (network.params % 7) / 7 for network in networks]


@pytest.fixture(scope="session")
def networks() -> dict[str, NetworkSpec]:
    space, rng = SearchSpace.load("tiny_32"), np.random.default_rng(1)
    archs = {"winner": space.sample(rng), "largest": space.largest(), "smallest": space.smallest()}
    found = {name: space.network(arch, classes=10, input_channels=1) for name, arch in archs.items()}
    for width in (0.1, 0.25, 0.35, 0.5):
        found[f"mobilenet_v2 ×{width}"] = reference_network(
            "mobilenet_v2", resolution=32, width=width, classes=10, input_channels=1
        )
    return found


def make_table(networks: dict[str, NetworkSpec]) -> LatencyTable:
    """Half of 24 networks to fit the correction on, half to judge it by; deviations of 2.5 %."""
    space, rng = SearchSpace.load("tiny_32"), np.random.default_rng(2)
    drawn = [space.network(space.sample(rng), classes=10, input_channels=1) for _ in range(24)]
    blocks = {block.key: block for network in (*networks.values(), *drawn) for block in network.blocks}
    table = LatencyTable(
        name="here",
        device=Device(name="here", machine="a laptop, 2 cores", runtime_version="1.32"),
        space="tiny_32",
        model=BlockModel(
            {key: BlockCost(0.004 + 3e-8 * block.macs, 0.0001) for key, block in blocks.items()},
            Correction(constant_ms=0.006, networks=12),
        ),
    )
    predicted = np.array([table.predict(network) for network in drawn])
    measured = predicted * rng.normal(1, 0.025, len(drawn))
    keys = [tuple(block.key for block in network.blocks) for network in drawn]
    roles = ["correction"] * 12 + ["validation"] * 12
    records = [
        Record(role, key, ms, 0.01 * ms, 20)
        for role, key, ms in zip(roles, keys, measured.tolist(), strict=True)
    ]
    figures = compare(predicted[12:], measured[12:])
    accuracy = Accuracy(12, figures, figures, figures, figures)
    return dataclasses.replace(table, probes=tuple(records), accuracy=accuracy)


def by_class(correct: int) -> list[tuple[int, int]]:
    """360 images of two classes, most of them of the first; the faults are all in the second."""
    return [(280, 280), (correct - 280, 80), (0, 0)]


def write_final(run_dir: Path, networks: dict[str, NetworkSpec], table: LatencyTable) -> None:
    items, artefacts = [], []
    for name, network in networks.items():
        predicted = table.predict(network)
        correct = round(360 * (0.99 - 0.004 / predicted))
        item = {
            "name": name,
            "role": "baseline" if "×" in name else name,
            "network": network.to_dict(),
            "code": "r24" if name == "winner" else None,
            "macs": network.macs,
            "params": network.params,
            "validation_accuracy": correct / 360,
            "test_correct": correct - 1,
            "test_total": 360,
            "classes": list(CLASSES),
            "test_by_class": by_class(correct - 1),
            "test_confusions": [[1, 0, 360 - correct], [1, 2, 1]],
            "predicted_ms": predicted,
            "estimated": False,
            "weights": f"{name}.safetensors",
        }
        artefact = Artefact(
            name=name,
            format="onnx",
            file=f"{name.replace(' ×', '_x')}.onnx",
            sha256="0" * 64,
            size_bytes=100_000,
            parity=Parity(largest_relative_error=1e-6, top1_agreement=1, images=64),
            test_correct=correct,
            test_total=360,
            test_by_class=tuple(by_class(correct)),
            latency_ms=Spread(
                value=1.02 * predicted,
                low=predicted,
                high=1.05 * predicted,
                raw=1.02 * predicted,
                typical=1.03 * predicted,
            ),
            device=table.device.to_dict(),
        )
        items.append(item)
        artefacts.append(artefact)
    write_json(run_dir / "final" / "results.json", {"networks": items, "best_baseline": BEST})
    write_manifest(run_dir / "deploy", artefacts)
    inputs = {"trained networks": sha256(run_dir / "final" / "results.json")}
    write_json(run_dir / "deploy" / "step.json", {"inputs": inputs})


def write_supernet(run_dir: Path) -> None:
    rows = [
        {
            "epoch": epoch,
            "learning_rate": 0.1,
            "loss_largest": 2.3 * 0.8**epoch + 0.1,
            "loss_smallest": 2.3 * 0.85**epoch + 0.3,
            "loss_random": 2.3 * 0.83**epoch + 0.2,
            "images_per_s": 900.0,
        }
        for epoch in range(1, 13)
    ]
    write_csv(run_dir / "supernet" / "history.csv", rows)


def write_trust(run_dir: Path) -> None:
    space, rng = SearchSpace.load("tiny_32"), np.random.default_rng(3)
    archs = {"smallest": space.smallest(), "largest": space.largest()}
    named = [*archs.items(), *(("random", space.sample(rng)) for _ in range(8))]
    rows = []
    for role, arch in named:
        network = space.network(arch, classes=10)
        alone = round(1000 * score([network])[0])
        rows.append(
            Compared(
                role=role,
                code=str(arch),
                resolution=network.resolution,
                macs=network.macs,
                params=network.params,
                images=1000,
                inherited_correct=alone - int(rng.integers(0, 30)),
                alone_correct=alone,
                seconds=1.0,
            )
        )
    parts = {"all": rows, "without_extremes": random_only(rows)}
    calibrated = calibrating(rows, resamples=50, seed=0)
    assert calibrated is not None
    agreement = {name: Agreement.of(part, top=3, resamples=50, seed=0) for name, part in parts.items()}
    value = {
        "images": "validation",
        "image_count": 1000,
        "training": {"epochs": 12},
        "differs_from_the_supernet": [],
        "top": 3,
        "agreement": {name: item.to_dict() for name, item in agreement.items()},
        "thirds": [third.to_dict() for third in thirds(rows, resamples=50, seed=0)],
        "beyond_macs": {
            "band": BAND,
            "all": ranking(rows, resamples=50, seed=0).to_dict(),
            "equal_macs": ranking(rows, resamples=50, seed=0, band=BAND).to_dict(),
        },
        "calibrated": calibrated.to_dict(),
    }
    write_csv(run_dir / "trust" / "networks.csv", [dataclasses.asdict(row) for row in rows])
    write_json(run_dir / "trust" / "trust.json", value)


def write_search(run_dir: Path) -> None:
    study = Study(
        problem=Problem(SearchSpace.load("tiny_32"), 10),
        goals=Goals([objectives.accuracy(score), objectives.latency(Predictor(), bound_ms=0.2)]),
        sampler=make_sampler("nsga2"),
        trials=40,
        seed=0,
        control=True,
    )
    search(study, folder=run_dir / "search")


def write_scale(run_dir: Path, network: NetworkSpec) -> None:
    tried = [{"phi": phi, "predicted_ms": 0.1 * 1.3**phi} for phi in (0.0, 1.0, 0.5)]
    value = {
        "phi": 0.5,
        "latency_ms": 0.12,
        "predicted_ms": 0.114,
        "estimated": False,
        "network": network.to_dict(),
    }
    write_json(run_dir / "scale" / "scale.json", {**value, "tried": tried})


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory, networks: dict[str, NetworkSpec]) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "demo"
    table = make_table(networks)
    table.save(folder / "table" / "here.json")
    (folder / "table" / "step.json").write_text("{}")  # every step leaves its record
    write_supernet(folder)
    write_trust(folder)
    write_search(folder)
    write_scale(folder, networks["winner"])
    write_final(folder, networks, table)
    (folder / "config.yaml").write_text("space: tiny_32\nnote: a < b & c\n")
    provenance = {
        "command": "run",
        "overrides": ["experiment=quickstart"],
        "date": "2026-01-01T00:00:00+00:00",
        "seed": 0,
        "source": {"commit": "abcdef", "changed": False},
        "machine": {"cpu": "laptop", "cores": 2},
    }
    (folder / "provenance.json").write_text(json.dumps(provenance))
    return folder


@pytest.fixture
def run_dir(complete: Path, tmp_path: Path) -> Path:
    """Every file that a complete run leaves for the report; a copy of its own for each test."""
    return shutil.copytree(complete, tmp_path / "demo")


@pytest.fixture(scope="session")
def complete_page(complete: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a complete run, drawn once for the tests that only read it."""
    folder = shutil.copytree(complete, tmp_path_factory.mktemp("page") / "demo")
    return report(folder).read_text(encoding="utf-8")


def part(run_dir: Path, title: str) -> str:
    """One section of the page; the others are not drawn."""
    return next(section for section in SECTIONS if section.title == title).render(Run(run_dir))
