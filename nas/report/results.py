"""The final comparison of networks, from ``final/results.json`` and ``deploy/manifest.json``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from nas.deploy.manifest import MANIFEST, Artefact, Spread, read_manifest
from nas.errors import UserError
from nas.files import fields_of, read_json
from nas.network import NetworkSpec
from nas.report.records import is_outdated
from nas.statistics import wilson

RESULTS = Path("final") / "results.json"
TRUST = Path("trust") / "trust.json"
ROLES = ("winner", "control", "family", "largest", "smallest", "baseline")


@final
@dataclass(frozen=True, kw_only=True)
class ClassCount:
    """Test images of one class.

    Attributes:
        name: The class.
        correct: Images that were classified correctly.
        total: Images; 0 where the test set has none of the class.
    """

    name: str
    correct: int
    total: int

    @property
    def accuracy(self) -> float | None:
        """0 to 1; ``None`` without images."""
        return self.correct / self.total if self.total else None


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """One network of the final comparison.

    Attributes:
        name: Name of the network, e.g. ``"winner"`` or ``"mobilenet_v2 ×0.5"``.
        role: One of ``ROLES``.
        network: The network.
        code: Code of its architecture, if it is a point of the space.
        macs: Multiply-accumulates for one image.
        params: Trainable parameters.
        validation_accuracy: Validation accuracy of the trained network, 0 to 1.
        test_correct: Test images classified correctly, by the exported file if there is one.
        test_total: Number of test images.
        by_class: The same counts for each class; empty in older results.
        confusions: Class, wrong answer and number of test images, the most frequent first, of the trained
            network; ``None`` in older results.
        exported: Whether the test accuracy is the exported file's own.
        predicted_ms: Latency predicted by the table, if possible.
        predicted_batch: Images per inference of the predicted latency.
        estimated: Whether the prediction uses roofline estimates.
        latency_ms: Measured latency of the exported file, if any.
        measured_batch: Images per inference of the measured latency.
        best: Whether it is the best baseline.
        outdated: Whether its exported file is left out because it is of an earlier training.
        reused: Whether ``nas trust`` has evaluated networks on the test images too.
        init: Where its weights came from before training: ``scratch``, ``supernet`` or ``pretrained``.
        inherited_accuracy: Validation accuracy of inherited weights before training, 0 to 1.
    """

    name: str
    role: str
    network: NetworkSpec
    code: str | None
    macs: int
    params: int
    validation_accuracy: float
    test_correct: int
    test_total: int
    by_class: tuple[ClassCount, ...]
    confusions: tuple[tuple[str, str, int], ...] | None
    exported: bool
    predicted_ms: float | None
    predicted_batch: int
    estimated: bool
    latency_ms: Spread | None
    measured_batch: int
    best: bool
    outdated: bool
    reused: bool
    init: str = "scratch"
    inherited_accuracy: float | None = None

    @property
    def test_accuracy(self) -> float:
        """The test accuracy, 0 to 1."""
        return self.test_correct / self.test_total

    @property
    def balanced_accuracy(self) -> float | None:
        """The mean of the classes' accuracies, 0 to 1; ``None`` if they were not counted."""
        values = [each.accuracy for each in self.by_class if each.accuracy is not None]
        return sum(values) / len(values) if values else None

    @property
    def balanced_error(self) -> float:
        """The standard error of the balanced accuracy; that of a class without faults is not taken as 0."""
        shares = [((each.correct + 1) / (each.total + 2), each.total) for each in self.by_class if each.total]
        return math.sqrt(sum(p * (1 - p) / n for p, n in shares)) / max(len(shares), 1)

    @property
    def image_ms(self) -> float | None:
        """Time per image: measured if available, else predicted."""
        if self.latency_ms is not None:
            return self.latency_ms.value / self.measured_batch
        return None if self.predicted_ms is None else self.predicted_ms / self.predicted_batch

    @property
    def test_interval(self) -> tuple[float, float]:
        """The 95 % interval of the test accuracy, 0 to 1."""
        return wilson(self.test_correct, self.test_total)


def read_table(run_dir: Path, *, format: str | None = None) -> list[Row]:
    """Reads the networks of a run, ordered by role and MACs.

    Args:
        run_dir: The run folder.
        format: Exported format of the accuracies and latencies; by default, the first.

    Raises:
        UserError: If ``final/results.json`` is missing or cannot be read.
    """
    outdated, folder = is_outdated(run_dir, "deploy"), run_dir / "deploy"
    exported = read_manifest(folder) if not outdated and (folder / MANIFEST).is_file() else ()
    return rows_of(run_dir, exported, format=format, outdated=outdated)


def rows_of(
    run_dir: Path, exported: Sequence[Artefact], *, format: str | None = None, outdated: bool = False
) -> list[Row]:
    """Reads the networks of a run, with the accuracies and latencies of the files exported from them.

    Args:
        run_dir: The run folder.
        exported: The exported files.
        format: Format of the files to use; by default, each network's first.
        outdated: Whether files were left out because they are of an earlier training.

    Raises:
        UserError: If ``final/results.json`` is missing or cannot be read.
    """
    path = run_dir / RESULTS
    value = read_json(path)
    artefacts = {each.name: each for each in reversed(exported) if format in (None, each.format)}
    reused = _trusted_test_images(run_dir)
    with fields_of(path, remedy=f"make it again: nas finish run_dir={run_dir}"):
        best, batch = value["best_baseline"], value.get("batch", 1)  # older results have no batch
        rows = [
            _row(item, artefacts.get(item["name"]), best, batch=batch, outdated=outdated, reused=reused)
            for item in value["networks"]
        ]
    return sorted(rows, key=lambda row: (ROLES.index(row.role), row.macs))


def _trusted_test_images(run_dir: Path) -> bool:
    with suppress(UserError, KeyError, TypeError):  # the trust section reports the error
        return bool(read_json(run_dir / TRUST)["images"] == "test")
    return False


def _row(
    item: dict[str, Any],
    artefact: Artefact | None,
    best: str | None,
    *,
    batch: int,
    outdated: bool,
    reused: bool,
) -> Row:
    correct, total, exported = item["test_correct"], item["test_total"], False
    by_class = item.get("test_by_class", ())
    if artefact is not None and artefact.test_correct is not None and artefact.test_total is not None:
        correct, total, exported = artefact.test_correct, artefact.test_total, True
        by_class = artefact.test_by_class
    return Row(
        name=item["name"],
        role=item["role"],
        network=NetworkSpec.from_dict(item["network"]),
        code=item["code"],
        macs=item["macs"],
        params=item["params"],
        validation_accuracy=item["validation_accuracy"],
        test_correct=correct,
        test_total=total,
        by_class=_by_class(item.get("classes", ()), by_class),
        confusions=_confusions(item.get("classes", ()), item.get("test_confusions")),
        exported=exported,
        predicted_ms=item["predicted_ms"],
        predicted_batch=batch,
        estimated=item["estimated"],
        latency_ms=None if artefact is None else artefact.latency_ms,
        measured_batch=batch if artefact is None else artefact.batch,
        best=item["role"] == "baseline" and item["name"] == best,
        outdated=outdated,
        reused=reused,
        init=item.get("init", "scratch"),  # older results have none
        inherited_accuracy=item.get("inherited_accuracy"),
    )


def _confusions(
    names: Sequence[str], counts: Sequence[Sequence[int]] | None
) -> tuple[tuple[str, str, int], ...] | None:
    """The confusions with their classes' names; older results have none."""
    if counts is None:
        return None
    return tuple((names[label], names[answer], images) for label, answer, images in counts)


def _by_class(names: Sequence[str], counts: Sequence[Sequence[int]]) -> tuple[ClassCount, ...]:
    """The counts with their classes' names; older results have none."""
    if not counts:
        return ()
    pairs = zip(names, counts, strict=True)
    return tuple(ClassCount(name=name, correct=correct, total=total) for name, (correct, total) in pairs)
