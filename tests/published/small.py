"""A small space with published accuracies, which were made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from nas.search import Problem
from nas.space import SearchSpace

SPACE = """
name: small
description: Three resolutions, two stages.
source: our own
resolution: [16, 24, 32]
stem:
  - {kind: conv, width: 8, kernel: 3, stride: 2}
stages:
  - kind: inverted_residual
    depth: [1, 2, 3]
    width: 8
    each_block: {kernel: [3, 5], expand: [2, 4]}
  - kind: inverted_residual
    depth: [1, 2, 3]
    width: 16
    stride: 2
    each_block: {kernel: [3, 5], expand: [2, 4]}
head:
  - {kind: pool}
"""
CLASSES, CHANNELS = 10, 1
KNOWN = (24, 32)
"""Resolutions with accuracies."""


def space(folder: Path) -> SearchSpace:
    path = folder / "small.yaml"
    path.write_text(SPACE.lstrip(), encoding="utf-8")
    return SearchSpace.load(path)


def truth(problem: Problem, rows: Any) -> Any:
    """Accuracies that grow with depth and kernels, and saturate."""
    costs = problem.space.costs(rows, classes=problem.classes)
    kernels = np.array([d.name == "kernel" for d in problem.space.dimensions])
    large = np.where(kernels & (rows == 1), 1.0, 0.0).sum(axis=1)
    return 0.9 - 0.4 * np.exp(-np.log(costs["macs"] / 2e4) / 2) + 0.01 * large


def content(own: SearchSpace, *, count: int = 60, resolutions: tuple[int, ...] = KNOWN) -> dict[str, Any]:
    problem = Problem(own, CLASSES, CHANNELS)
    rows = np.unique(own.sample_many(6 * count, np.random.default_rng(0)), axis=0)
    architectures = own.decode(rows)
    keep = [i for i, arch in enumerate(architectures) if arch.resolution in resolutions]
    keep = np.random.default_rng(1).permutation(keep)[:count].tolist()
    values = truth(problem, rows)
    return {
        "schema": 1,
        "space": own.name,
        "data": "digits",
        "classes": CLASSES,
        "input_channels": CHANNELS,
        "precision": "fp32",
        "source": "made up",
        "licence": "none",
        "resolution_effect": {"source": "made up", "top1_percent": {"other": {"32": 80.0, "16": 60.0}}},
        "top1_percent": {str(architectures[i]): 100 * float(values[i]) for i in keep},
    }


def write(folder: Path, value: dict[str, Any]) -> Path:
    path = folder / "published_accuracies" / f"{value['space']}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path
