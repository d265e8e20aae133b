"""Objects shared by the steps of one run, made from the configuration on first use."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import resources
from nas.cli.bars import progress_bar
from nas.cli.processes import execute_together, place
from nas.cli.screen import say
from nas.cli.steps.tracked import track_step
from nas.config import (
    CheckpointConfig,
    Config,
    FinishConfig,
    OptimizationConfig,
    TrainConfig,
    TrustConfig,
    seconds,
)
from nas.errors import UserError, unknown
from nas.files import fields_of, read_json
from nas.hardware import Device
from nas.pipeline import Step, execute
from nas.space import SearchSpace
from nas.tracking import Guard

if TYPE_CHECKING:
    from nas.pretrained import Start
    from nas.training.checkpoint import CheckpointPlan
    from nas.training.data import Augment
    from nas.training.optimization import Compute, Hyperparameters
    from nas.training.prepared import Prepared


@dataclass(frozen=True)
class Context:
    """A run: its configuration, its folder, and the objects made from them."""

    config: Config
    run_dir: Path
    tracker: Guard

    @cached_property
    def space_path(self) -> Path:
        return resources.find("search_spaces", self.config.space, ".yaml", what="search space")

    @cached_property
    def space(self) -> SearchSpace:
        space = SearchSpace.load(self.space_path)
        for warning in space.warnings():
            say(f"warning: {space.name}: {warning}")
        return space

    @cached_property
    def device(self) -> Device:
        """The target device."""
        return Device(**dataclasses.asdict(self.config.device))

    @cached_property
    def compute(self) -> Compute:
        from nas.training.optimization import Compute

        compute = self.config.compute
        return Compute.choose(compute.torch_device, compute.autocast, compile=compute.compile)

    @cached_property
    def augment(self) -> Augment:
        """Augmentation of training images."""
        from nas.training.data import Augment

        config = self.config.data.augment
        crop = config.resized_crop
        if crop is not None and len(crop) != 2:
            raise UserError(
                f"data.augment.resized_crop is {crop}; give two shares of the area, e.g. [0.08,1]"
            )
        with prefixed("data.augment."):
            return Augment(
                flip=config.flip,
                crop_padding=config.crop_padding,
                resized_crop=None if crop is None else (crop[0], crop[1]),
                rand_augment=config.rand_augment,
                rand_magnitude=config.rand_magnitude,
                erase=config.erase,
            )

    def check_data(self) -> None:
        """Checks the data settings before any image is read."""
        from nas.training.data import check_settings
        from nas.training.data.splits import BALANCED

        data = self.config.data
        check_settings(
            data.name,
            validation_fraction=data.validation_fraction,
            test_fraction=data.test_fraction,
            channels=data.channels,
            cache=data.cache,
            max_train_images=data.max_train_images,
            store_size=data.store_size,
            workers=data.workers,
            prefix="data.",
        )
        if data.class_weights not in (None, BALANCED):
            raise unknown("data.class_weights", data.class_weights, (BALANCED, "null"))
        self.augment  # noqa: B018 - checks itself when made

    @property
    def data(self) -> Prepared:
        """The images, split and prepared for training, normalised as for the run's supernet if it has one."""
        images, summary = self._images, self.path("supernet", "supernet.json")
        if not summary.is_file():
            return images
        value = read_json(summary)
        with fields_of(summary, remedy="train the supernet again: nas train"):
            mean, std = value["mean"], value["std"]
        return images.normalized(mean, std) if len(mean) == images.splits.channels else images

    def data_for(self, start: Start | None) -> Prepared:
        """The images, normalised as the weights expect from which a training starts."""
        if start is None:
            return self._images
        expected = start.preprocessing.for_channels(self._images.splits.channels)
        return self._images.normalized(expected.mean, expected.std)

    @cached_property
    def _images(self) -> Prepared:
        """The images, with the normalisation of the training images."""
        from nas.training.data import decoders, load_data
        from nas.training.prepared import Prepared

        data, augment = self.config.data, self.augment
        # Processes of one machine must not download to the same folder at the same time.
        order = self.compute.processes.leader_first() if data.download else nullcontext()
        with order, progress_bar(f"reading {data.name}") as bar:
            splits = load_data(
                data.name,
                root=data.root,
                seed=self.config.seed,
                validation_fraction=data.validation_fraction,
                test_fraction=data.test_fraction,
                download=data.download,
                channels=data.channels,
                cache=data.cache,
                max_train_images=data.max_train_images,
                store_size=data.store_size,
                workers=data.workers,
                skip_damaged=data.skip_damaged,
                progress=bar.show,
            )
            bar.show(1, 1)
        sizes = {
            "training": splits.train,
            "search-validation": splits.validation,
            "test": splits.test,
        }
        counts = ", ".join(f"{len(images)} {name}" for name, images in sizes.items())
        say(f"data: {data.name}, {len(splits.classes)} classes, {splits.channels} channels; {counts} images")
        for note in splits.notes:
            say(f"warning: {data.name}: {note}")
        workers = decoders(splits.train, data.workers)
        return Prepared.of(
            splits,
            augment=augment,
            compute=self.compute,
            workers=workers,
            balanced=data.class_weights is not None,
        )

    def settings(self, *names: str) -> dict[str, Any]:
        """Returns the named parts of the configuration in JSON form, for a step's record."""
        parts = {name: getattr(self.config, name) for name in names}
        return {
            name: dataclasses.asdict(part) if dataclasses.is_dataclass(part) else part  # type: ignore[arg-type]
            for name, part in parts.items()
        }

    @cached_property
    def _data_files(self) -> str | None:
        from nas.training.data import files_digest

        return files_digest(self.config.data.name, root=self.config.data.root)

    def data_settings(self) -> dict[str, Any]:
        """Returns the settings that decide the images, their split and weights; those of reading do not."""
        value = dataclasses.asdict(self.config.data)
        if value["class_weights"] is None:
            del value["class_weights"]  # as in runs that were made before it existed
        for name in ("workers", "cache", "download"):
            del value[name]
        if self._data_files is not None:
            value["files"] = self._data_files
        return {"data": value, "seed": self.config.seed}

    def path(self, *parts: str) -> Path:
        """Returns a path in the run folder."""
        return self.run_dir.joinpath(*parts)

    def execute(self, step: Step) -> bool:
        """Executes a step unless it is complete, and tracks its results; returns whether it ran."""
        ran = execute(step) if place().count == 1 else execute_together(step)
        if self.is_tracked:
            self.tracker.record(
                lambda tracker: track_step(tracker, step, run_dir=self.run_dir, name=self.config.name)
            )
        return ran

    @property
    def is_tracked(self) -> bool:
        """Whether this process has a tracker."""
        return self.config.tracker.name != "none" and place().leads


def checkpoint_plan(config: CheckpointConfig) -> CheckpointPlan:
    """Makes the checkpoint plan from the configuration."""
    from nas.training.checkpoint import CheckpointPlan

    return CheckpointPlan(
        every_s=None if config.every is None else seconds(config.every, setting="checkpoint.every"),
        every_steps=config.every_steps,
        keep=config.keep,
        best_every_epochs=config.best_every_epochs,
    )


_PARTS: dict[type[OptimizationConfig], str] = {
    TrainConfig: "train",
    TrustConfig: "trust",
    FinishConfig: "finish",
}


def hyperparameters(config: OptimizationConfig) -> Hyperparameters:
    """Makes the hyperparameters from the configuration.

    Raises:
        UserError: If a value is out of range; the message starts with the setting's full name.
    """
    from nas.training.optimization import Hyperparameters

    names = [field.name for field in dataclasses.fields(Hyperparameters)]
    with prefixed(f"{_PARTS[type(config)]}."):
        return Hyperparameters(**{name: getattr(config, name) for name in names})


@contextmanager
def prefixed(prefix: str) -> Iterator[None]:
    """Puts a prefix in front of user errors that start with a setting's name."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{prefix}{error}") from None
