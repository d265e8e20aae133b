"""Files of published accuracies: ``published_accuracies/SPACE.json``, the user's folder first.

{"schema": 1, "space": "ofa_mobilenet_v3", "data": "ImageNet", "classes": 1000, "input_channels": 3,
 "source": "…", "licence": "…", "precision": "fp32",
 "resolution_effect": {"source": "…", "top1_percent": {"mobilenet_v2": {"224": 71.8, "192": 70.7}}},
 "top1_percent": {"r224-d2:k3+3…": 75.4}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np

from nas import files, resources
from nas.arrays import FloatArray, IntArray
from nas.errors import UserError
from nas.search import Problem
from nas.space import SearchSpace

FOLDER = "published_accuracies"
SCHEMA = 1
FEWEST = 20
"""Networks that a predictor needs."""


@final
@dataclass(frozen=True, kw_only=True)
class PublishedAccuracies:
    """The published accuracies of a space's networks.

    Attributes:
        space: Name of the space.
        data: The images that the accuracies are of.
        classes: Number of classes.
        input_channels: Channels of the images.
        precision: Precision of the networks.
        source: The publication.
        licence: Its licence.
        top1: Accuracy from 0 to 1 by architecture code.
        by_resolution: Accuracies of other networks by resolution, which show what a resolution costs.
        effect_source: Their publication.
    """

    space: str
    data: str
    classes: int
    input_channels: int
    precision: str
    source: str
    licence: str
    top1: Mapping[str, float]
    by_resolution: tuple[Mapping[int, float], ...] = ()
    effect_source: str = ""

    @cached_property
    def exponent(self) -> float | None:
        """The γ of an error rate that grows by (r / r')^γ from resolution r to r'; ``None`` if unknown.

        It is fitted to the logarithms of the error rates of each network of ``by_resolution``.
        """
        slopes, weights = 0.0, 0.0
        for accuracies in self.by_resolution:
            x = np.log([float(resolution) for resolution in accuracies])
            y = np.log([1 - accuracy for accuracy in accuracies.values()])
            slopes += float(((x - x.mean()) * (y - y.mean())).sum())
            weights += float(((x - x.mean()) ** 2).sum())
        return -slopes / weights if weights > 0 else None

    def rows(self, problem: Problem) -> tuple[IntArray, FloatArray]:
        """The canonical rows (N, genes) and accuracies (N,) of distinct networks.

        Raises:
            UserError: If a network is not of the space.
        """
        rows = problem.space.encode([problem.space.parse(code) for code in self.top1])
        distinct = np.sort(np.unique(rows, axis=0, return_index=True)[1])
        return rows[distinct], np.array(list(self.top1.values()))[distinct]


def published_spaces() -> list[str]:
    """The spaces with published accuracies."""
    return resources.names(FOLDER, ".json")


def published_path(space: SearchSpace) -> Path:
    """The file of a space's published accuracies.

    Raises:
        UserError: If there is none. The message names the spaces that have one.
    """
    if space.name not in published_spaces():
        raise UserError(
            f"no accuracies of {space.name} are published; {FOLDER}/ has those of "
            f"{', '.join(published_spaces())}. Search that space, put {space.name}.json into ./{FOLDER}/, or "
            "train a supernet (search.accuracy=supernet)"
        )
    return resources.find(FOLDER, space.name, ".json", what="published accuracies")


def read_published(path: Path, *, space: SearchSpace) -> PublishedAccuracies:
    """Reads a file of published accuracies.

    Raises:
        UserError: If the file is damaged, of another schema or space, or has too few networks.
    """
    value = files.read_json(path)
    with files.fields_of(path, remedy="restore the file"):
        if value["schema"] != SCHEMA:
            raise UserError(f"{path} has schema {value['schema']!r}; this version reads schema {SCHEMA}")
        published = _from_dict(value)
    if published.space != space.name:
        raise UserError(f"{path} is of the space {published.space!r}, not of {space.name}")
    if bad := [code for code, top1 in published.top1.items() if not 0 <= top1 < 1]:
        raise UserError(
            f"{path}: the accuracy of {bad[0]!r} is {100 * published.top1[bad[0]]:g} %, not 0 to 100"
        )
    if len(published.top1) < FEWEST:
        raise UserError(
            f"{path} has the accuracies of {len(published.top1)} networks; a predictor needs {FEWEST} or more"
        )
    return published


def _from_dict(value: Mapping[str, Any]) -> PublishedAccuracies:
    effect = value.get("resolution_effect", {"source": "", "top1_percent": {}})
    return PublishedAccuracies(
        space=value["space"],
        data=value["data"],
        classes=int(value["classes"]),
        input_channels=int(value["input_channels"]),
        precision=value["precision"],
        source=value["source"],
        licence=value["licence"],
        top1={code: float(percent) / 100 for code, percent in value["top1_percent"].items()},
        by_resolution=tuple(
            {int(resolution): float(percent) / 100 for resolution, percent in accuracies.items()}
            for accuracies in effect["top1_percent"].values()
        ),
        effect_source=effect["source"],
    )
