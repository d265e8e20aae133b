"""Accuracies predicted from those that others published: no images, no weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NoReturn, final

from nas.cli.screen import say
from nas.cli.steps.search import field as field_step
from nas.cli.steps.search.accuracy.base import Accuracies, AccuracySource, register
from nas.errors import UserError
from nas.files import sha256
from nas.published import PublishedAccuracies, PublishedAccuracy, published_path, read_published
from nas.search import Objective, Problem
from nas.search.goals.goals import Goals

UNKNOWN = ("balanced_accuracy", "calibrated_accuracy", "int8_accuracy")
"""Kinds of accuracy that published top-1 accuracies say nothing about."""

_SMALL = ("int8", "fp8")


@final
@register
class Published(AccuracySource):
    """A predictor is fitted to the published accuracies of the space's networks."""

    NAME: ClassVar[str] = "published"
    evaluates: ClassVar[bool] = False
    reads_images: ClassVar[bool] = False

    def check(self) -> None:
        config, published = self.context.config.search, self._published
        for name in UNKNOWN:
            if name in (*config.objectives, *config.bounds):
                raise _unknown(name, published)
        for name, is_set in {
            "search.workers": config.workers > 1,
            "search.storage": config.storage is not None,
            "search.halving": bool(config.halving),
            "search.respect_device": config.respect_device,
        }.items():
            if is_set:
                raise UserError(
                    f"{name} is for searches that evaluate networks; with search.accuracy=published, one "
                    "process predicts all of them in seconds: leave it out"
                )
        if config.finalists > 1:
            raise UserError(
                "search.finalists trains networks, but search.accuracy=published has neither images nor "
                "weights: leave it out, or train a supernet (search.accuracy=supernet)"
            )
        field_step.check(self.context)
        if config.candidates < 1:
            raise UserError(f"search.candidates is {config.candidates}; there must be at least one")
        if lacking := [each for each in config.resolutions if each not in self.context.space.resolutions]:
            own = ", ".join(map(str, self.context.space.resolutions))
            raise UserError(
                f"search.resolutions has {lacking[0]}, which {self.context.space.name} lacks; it has {own}"
            )

    def sizes(self) -> tuple[int, int]:
        return self._published.classes, self._published.input_channels

    def settings(self) -> dict[str, Any]:
        return {"seed": self.context.config.seed}

    def inputs(self) -> dict[str, Path]:
        return {"published accuracies": self._path}

    def facts(self) -> Mapping[str, str]:
        return {"published accuracies": sha256(self._path)}

    def resolutions(self) -> tuple[int, ...]:
        return tuple(self.context.config.search.resolutions) or self._predicted.resolutions

    def open(self) -> Accuracies:
        precision = self.context.config.device.precision
        if precision in _SMALL:
            say(
                f"search: warning: the accuracies are of {self._published.precision} networks; the loss in "
                f"{precision} is unknown"
            )
        return _Predicted(self._predicted)

    @cached_property
    def _path(self) -> Path:
        return published_path(self.context.space)

    @cached_property
    def _published(self) -> PublishedAccuracies:
        return read_published(self._path, space=self.context.space)

    @cached_property
    def _predicted(self) -> PublishedAccuracy:
        return PublishedAccuracy(Problem(self.context.space, *self.sizes()), self._published)


@final
class _Predicted:
    """Predicted accuracies."""

    def __init__(self, predicted: PublishedAccuracy) -> None:
        self._predicted = predicted

    def accuracy(self, *, bound: float | None = None) -> Objective:
        return self._predicted.objective(bound=bound)

    def balanced_accuracy(self, *, bound: float | None = None) -> NoReturn:
        raise _unknown("balanced_accuracy", self._predicted.published)

    def int8_accuracy(self, *, bound: float | None = None) -> NoReturn:
        raise _unknown("int8_accuracy", self._predicted.published)

    def calibrated_accuracy(self, *, bound: float | None = None) -> NoReturn:
        raise _unknown("calibrated_accuracy", self._predicted.published)

    def remeasure(self, goals: Goals) -> None:
        """Nothing can be measured again without images."""

    def judge(self, goals: Goals) -> None:
        """Nothing can be evaluated without images."""


def _unknown(name: str, published: PublishedAccuracies) -> UserError:
    return UserError(
        f"{name} is unknown with search.accuracy=published: the published accuracies are the top-1 of "
        f"{published.precision} networks; use accuracy, or train a supernet (search.accuracy=supernet)"
    )
