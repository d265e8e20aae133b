"""Checkpoints on disk: tensors as safetensors, all else as JSON, nothing that could be executed.

A checkpoint is two files, ``step-00000120.safetensors`` and ``step-00000120.json``. The JSON is written last
and holds the hashes of both, so a checkpoint that was cut off or damaged is known as such.
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

LOG = logging.getLogger(__name__)


@final
@dataclass(frozen=True, kw_only=True)
class CheckpointPlan:
    """When checkpoints are written and which are kept; decides nothing about the result.

    Attributes:
        every_s: Seconds between two checkpoints; ``None`` for none by time.
        every_steps: Steps between two; ``None`` for none by steps.
        keep: How many of the last are kept.
        best_every_epochs: Epochs between two looks at the validation accuracy, for the best; 0 for none.
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
        """Whether one is due after so many steps."""
        return self.every_steps is not None and step % self.every_steps == 0

    def is_due_by_time(self, written: float) -> bool:
        """Whether one is due if the last was written when ``time.monotonic`` said ``written``."""
        return self.every_s is not None and time.monotonic() - written >= self.every_s

    def looks_after(self, epoch: int) -> bool:
        """Whether the validation accuracy is looked at after this epoch, counted from 1."""
        return self.best_every_epochs > 0 and epoch % self.best_every_epochs == 0


@final
@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A state of a training.

    Attributes:
        step: Steps that have been done.
        tensors: By name.
        values: JSON values.
    """

    step: int
    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


@final
@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The checkpoints of one training.

    Attributes:
        folder: Where they are.
        plan: When they are written and which are kept.
        about: All that decides the training, as JSON values: a checkpoint of another is refused.
    """

    folder: Path
    plan: CheckpointPlan
    about: Mapping[str, Any]

    def write(self, checkpoint: Checkpoint) -> Path:
        """Writes a checkpoint, then removes those that are older than the last ``plan.keep``."""
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
        """Removes what is too old, and what a writer that was killed has left half written."""
        for path in self.folder.glob(".*"):
            path.unlink(missing_ok=True)
        for step in self.steps()[self.plan.keep :]:
            self._path(step).with_suffix(".json").unlink(missing_ok=True)
            self._path(step).unlink(missing_ok=True)

    def write_best(self, model: nn.Module, *, accuracy: float, epoch: int) -> None:
        """Writes the model's weights alone, in place of those of the best epoch so far."""
        about = json.dumps({"epoch": epoch, "validation_accuracy": accuracy})
        save_weights(model, self.folder / BEST, metadata={"best": about})

    def steps(self) -> list[int]:
        """The steps of which there are checkpoints, whole or not, the latest first."""
        if not self.folder.is_dir():
            return []
        found = {path.stem for path in self.folder.glob("step-*.*")}
        return sorted((int(stem.removeprefix("step-")) for stem in found), reverse=True)

    def latest(self) -> Checkpoint | None:
        """The latest checkpoint that is whole, or ``None``; a damaged one is passed over, and this is said.

        Raises:
            UserError: If it belongs to a training with other settings.
        """
        return next(self._whole(), None)

    def read(self, step: int) -> Checkpoint:
        """The checkpoint after ``step`` steps.

        Raises:
            UserError: If it is not there, damaged, or belongs to a training with other settings.
        """
        path = self._path(step)
        try:
            record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            if record.pop("sha256") != _digest(record) or record["tensors_sha256"] != sha256(path):
                raise ValueError("its content is not what was written")
            checkpoint = Checkpoint(step=step, tensors=load_file(path), values=record["values"])
        except FileNotFoundError as error:
            raise UserError(f"a file is missing: {Path(error.filename).name}") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
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
        """Which checkpoint is the last one, for messages."""
        steps = self.steps()
        return (
            f"the last good checkpoint is {self._path(steps[0])}" if steps else "there is no checkpoint yet"
        )


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


@final
class _OtherTrainingError(UserError):
    """A checkpoint is whole, but not of this training."""
