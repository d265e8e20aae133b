"""A complete run folder, made of real small objects with made-up figures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from nas.deploy.manifest import Artefact, Spread, write_manifest
from nas.deploy.parity import Parity
from nas.files import write_json
from nas.hardware import Device
from nas.latency import BlockCost, Correction, LatencyTable, Record
from nas.latency.correction import Accuracy, compare
from nas.network import NetworkSpec, reference_network
from nas.search.pareto import front, hypervolume_curve
from nas.space import SearchSpace

SPACE = "tiny_32"
DIRECTIONS = ("maximize", "minimize")


@pytest.fixture(scope="session")
def networks() -> dict[str, NetworkSpec]:
    space = SearchSpace.load(SPACE)
    rng = np.random.default_rng(1)
    found = {
        "winner": space.network(space.sample(rng), classes=10, input_channels=1),
        "largest": space.network(space.largest(), classes=10, input_channels=1),
        "smallest": space.network(space.smallest(), classes=10, input_channels=1),
    }
    for width in (0.1, 0.25, 0.35, 0.5):
        found[f"mobilenet_v2 ×{width}"] = reference_network(
            "mobilenet_v2", resolution=32, width=width, classes=10, input_channels=1
        )
    return found


def _cost_ms(macs: int) -> float:
    return 0.004 + 3e-8 * macs


def _table(networks: dict[str, NetworkSpec]) -> LatencyTable:
    space, rng = SearchSpace.load(SPACE), np.random.default_rng(2)
    drawn = [space.network(space.sample(rng), classes=10, input_channels=1) for _ in range(24)]
    blocks = {block.key: block for network in (*networks.values(), *drawn) for block in network.blocks}
    table = LatencyTable(
        name="here",
        device=Device(name="here", machine="a laptop, 2 cores", runtime_version="1.32"),
        space=SPACE,
        costs={key: BlockCost(_cost_ms(block.macs), 0.0001) for key, block in blocks.items()},
        correction=Correction(constant_ms=0.006, networks=12),
    )
    predicted = np.array([table.predict(network) for network in drawn])
    measured = predicted * rng.normal(1, 0.025, len(drawn))
    records = tuple(
        Record("correction" if i < 12 else "validation", tuple(b.key for b in network.blocks), ms, 0.01 * ms, 20)
        for i, (network, ms) in enumerate(zip(drawn, measured.tolist(), strict=True))
    )
    figures = compare(predicted[12:], measured[12:])
    return LatencyTable(
        **{
            **{name: getattr(table, name) for name in ("name", "device", "space", "costs", "correction")},
            "probes": records,
            "accuracy": Accuracy(12, figures, figures, figures, figures),
        }
    )


def _write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _write_search(run_dir: Path, networks: dict[str, NetworkSpec]) -> None:
    rng = np.random.default_rng(3)
    latency = rng.uniform(0.06, 0.3, 60)
    accuracy = 0.97 - 0.012 / latency + rng.normal(0, 0.012, 60)
    values = np.column_stack([accuracy, latency])
    feasible = latency <= 0.25
    rows = [
        {
            **{"number": i, "state": "complete" if ok else "rejected", "feasible": bool(ok)},
            **{"accuracy": repr(a) if ok else "", "latency_ms": repr(ms)},
            **{"code": f"r32_{i}", "origin": "sampler", "seconds": "0.1", "reason": ""},
        }
        for i, (a, ms, ok) in enumerate(zip(accuracy.tolist(), latency.tolist(), feasible, strict=True))
    ]
    rows[5].update(feasible=False, accuracy="0.83")
    _write_csv(run_dir / "search" / "trials.csv", rows)
    usable = values[feasible]
    reference = (float(usable[:, 0].min()), 0.25)
    curves = [hypervolume_curve(usable[order], reference, DIRECTIONS) for order in (np.argsort(-usable[:, 0]), np.arange(len(usable)))]
    points = [
        {"number": i, "code": f"r32_{i}", "values": {"accuracy": usable[i, 0], "latency_ms": usable[i, 1]}}
        for i in front(usable, DIRECTIONS)
    ]
    objectives = [
        {"name": "accuracy", "direction": "maximize", "bound": None},
        {"name": "latency_ms", "direction": "minimize", "bound": 0.25},
    ]
    reached = {"accuracy": reference[0], "latency_ms": reference[1]}
    write_json(
        run_dir / "search" / "pareto.json",
        {
            **{"space": SPACE, "objectives": objectives, "evaluations": len(usable), "reference": reached},
            **{"hypervolume": curves[0][-1], "hypervolume_curve": curves[0].tolist(), "front": points},
        },
    )
    winner = {"space": SPACE, "objectives": objectives, **points[1], "network": networks["winner"].to_dict()}
    write_json(run_dir / "search" / "winner.json", winner)
    control = {"sampler": "random", "evaluations": len(usable), "hypervolume_curve": curves[1].tolist()}
    write_json(run_dir / "search" / "control.json", control)


def _write_final(run_dir: Path, networks: dict[str, NetworkSpec], table: LatencyTable) -> None:
    rng = np.random.default_rng(4)
    items, artefacts = [], []
    for name, network in networks.items():
        predicted = table.predict(network)
        correct = round(360 * min(0.99, 0.99 - 0.004 / predicted))
        role = "baseline" if "×" in name else name
        figures = {"macs": network.macs, "params": network.params, "validation_accuracy": correct / 360}
        items.append(
            {
                **{"name": name, "role": role, "network": network.to_dict(), **figures},
                **{"code": "r32" if role == "winner" else None, "test_correct": correct - 1, "test_total": 360},
                **{"predicted_ms": predicted, "weights": f"{name}.safetensors"},
            }
        )
        ms = predicted * rng.normal(1, 0.03)
        artefacts.append(
            Artefact(
                name=name,
                format="onnx",
                file=f"{name.replace(' ×', '_x')}.onnx",
                sha256="0" * 64,
                size_bytes=100_000,
                parity=Parity(largest_relative_error=1e-6, top1_agreement=1, images=64),
                test_correct=correct,
                test_total=360,
                latency_ms=Spread(median=ms, low=0.98 * ms, high=1.03 * ms, samples=20),
                device=table.device.to_dict(),
            )
        )
    write_json(run_dir / "final" / "results.json", {"networks": items, "best_baseline": "mobilenet_v2 ×0.35"})
    write_manifest(run_dir / "deploy", artefacts)


@pytest.fixture
def run_dir(tmp_path: Path, networks: dict[str, NetworkSpec]) -> Path:
    """Every file that a complete run leaves for the report."""
    folder = tmp_path / "demo"
    table = _table(networks)
    table.save(folder / "table" / "here.json")
    (folder / "table" / "step.json").write_text("{}")
    history = [
        {
            **{"epoch": i, "learning_rate": 0.1, "loss_largest": 2.3 * 0.8**i + 0.1},
            **{"loss_smallest": 2.3 * 0.85**i + 0.3, "loss_random": 2.3 * 0.83**i + 0.2, "images_per_s": 900.0},
        }
        for i in range(1, 13)
    ]
    _write_csv(folder / "supernet" / "history.csv", history)
    _write_search(folder, networks)
    tried = [{"phi": phi, "predicted_ms": 0.1 * 1.3**phi} for phi in (0.0, 1.0, 0.5)]
    scale = {"phi": 0.5, "latency_ms": 0.12, "predicted_ms": 0.114, "network": networks["winner"].to_dict(), "tried": tried}
    write_json(folder / "scale" / "scale.json", scale)
    _write_final(folder, networks, table)
    (folder / "config.yaml").write_text("space: tiny_32\nnote: a < b & c\n")
    provenance = {
        **{"command": "run", "overrides": ["experiment=quickstart"], "date": "2026-01-01", "seed": 0},
        **{"source": {"commit": "abc", "changed": False}, "machine": {"cpu": "laptop", "cores": 2}},
    }
    (folder / "provenance.json").write_text(json.dumps(provenance))
    return folder
