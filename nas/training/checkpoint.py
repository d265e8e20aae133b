"""Checkpoints on disk: tensors as safetensors, everything else as JSON, nothing executable.

A checkpoint is two files, ``step-00000120.safetensors`` and ``step-00000120.json``. The JSON is written last
and holds the hashes of both, so truncated and damaged checkpoints are detected.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nas.errors import UserError
from nas.files import atomic, sha256, write_json
from nas.training.weights import save_weights

FOLDER = "checkpoints"
BEST = "best.safetensors"
SCHEMA = 1
_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError)

LOG = logging.getLogger(__name__)


@final
@dataclass(frozen=True, kw_only=True)
class CheckpointPlan:
    """When to write checkpoints and which to keep. The result does not depend on it.

    Attributes:
        every_s: Seconds between two checkpoints; ``None`` for no limit.
        every_steps: Steps between two checkpoints; ``None`` for no limit.
        keep: Number of latest checkpoints to keep.
        best_every_epochs: Epochs between two evaluations for the best checkpoint; 0 for none.
    """

    every_s: float | None
    every_steps: int | None
    keep: int
    best_every_epochs: int

    def __post_init__(self) -> None:
        if self.every_steps is not None and self.every_steps < 1:
            raise UserError(f"checkpoint.every_steps is {self.every_steps}; give at least 1, or null")
        if self.keep < 1:
            raise UserError(f"checkpoint.keep is {self.keep}; give at least 1, better 2: one may be damaged")
        if self.best_every_epochs < 0:
            raise UserError(f"checkpoint.best_every_epochs is {self.best_every_epochs}; give 0 or more")

    def is_due_by_steps(self, step: int) -> bool:
        """Whether a checkpoint is due after ``step`` steps."""
        return self.every_steps is not None and step % self.every_steps == 0

    def is_due_by_time(self, written: float) -> bool:
        """Whether a checkpoint is due; ``written`` is the ``time.monotonic`` of the last one."""
        return self.every_s is not None and time.monotonic() - written >= self.every_s

    def looks_after(self, epoch: int) -> bool:
        """Whether the model is evaluated after this epoch, counted from 1."""
        return self.best_every_epochs > 0 and epoch % self.best_every_epochs == 0


@final
@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A state of a training.

    Attributes:
        step: Completed steps.
        tensors: Tensors by name.
        values: JSON values by name.
    """

    step: int
    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


@final
@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The checkpoints of one training.

    Attributes:
        folder: Their folder.
        plan: When to write them and which to keep.
        about: The settings that determine the training, as JSON values. Checkpoints with others are refused.
    """

    folder: Path
    plan: CheckpointPlan
    about: Mapping[str, Any]

    def write(self, checkpoint: Checkpoint) -> Path:
        """Writes a checkpoint, then removes all but the last ``plan.keep``."""
        path = self._path(checkpoint.step)
        with atomic(path) as temporary:
            save_file(dict(checkpoint.tensors), temporary)
        record = {
            "schema": SCHEMA,
            "tensors_sha256": sha256(path),
            "about": self.about,
            "values": checkpoint.values,
        }
        write_json(path.with_suffix(".json"), {**record, "sha256": _digest(record)})
        self._tidy()
        return path

    def _tidy(self) -> None:
        """Removes old checkpoints and the temporary files of killed writers."""
        for path in self.folder.glob(".*"):
            path.unlink(missing_ok=True)
        for step in self.steps()[self.plan.keep :]:
            self._path(step).with_suffix(".json").unlink(missing_ok=True)
            self._path(step).unlink(missing_ok=True)

    def write_best(self, model: nn.Module, *, accuracy: float, epoch: int) -> None:
        """Replaces the weights of the best epoch by the model's."""
        about = json.dumps({"epoch": epoch, "validation_accuracy": accuracy})
        save_weights(model, self.folder / BEST, metadata={"best": about})

    def steps(self) -> list[int]:
        """The steps with checkpoints, complete or not, latest first."""
        if not self.folder.is_dir():
            return []
        stems = {path.stem for path in self.folder.glob("step-*.*")}
        return sorted((int(stem.removeprefix("step-")) for stem in stems), reverse=True)

    def latest(self) -> Checkpoint | None:
        """The latest complete checkpoint, or ``None``. Damaged ones are skipped and logged.

        Raises:
            UserError: If it belongs to a training with other settings.
        """
        return next(self._whole(), None)

    def read(self, step: int) -> Checkpoint:
        """The checkpoint after ``step`` steps.

        Raises:
            UserError: If it is missing, damaged, or belongs to a training with other settings.
        """
        path = self._path(step)
        try:
            record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            if record.pop("sha256") != _digest(record) or record["tensors_sha256"] != sha256(path):
                raise ValueError("its content does not match its hash")
            checkpoint = Checkpoint(step=step, tensors=load_file(path), values=record["values"])
        except FileNotFoundError as error:
            raise UserError(f"a file is missing: {Path(error.filename).name}") from None
        except _DAMAGED as error:
            raise UserError(str(error)) from None
        if record["schema"] != SCHEMA or record["about"] != json.loads(json.dumps(self.about)):
            raise _OtherTrainingError(
                f"the checkpoints in {self.folder} belong to a training with other settings; "
                "remove that folder, or train into another"
            )
        return checkpoint

    def _whole(self) -> Iterator[Checkpoint]:
        for step in self.steps():
            try:
                yield self.read(step)
            except _OtherTrainingError:
                raise
            except UserError as error:
                path = self._path(step)
                LOG.warning(f"checkpoint {path} is damaged ({error}); going back to the one before")

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08}.safetensors"

    def last(self) -> str:
        """The path of the last checkpoint, as part of a message."""
        steps = self.steps()
        return (
            f"the last good checkpoint is {self._path(steps[0])}" if steps else "there is no checkpoint yet"
        )


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


@final
class _OtherTrainingError(UserError):
    """A complete checkpoint belongs to another training."""
