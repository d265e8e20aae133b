"""Accuracies of the run's supernet on search-validation images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, final

from nas.cli.steps.search import calibration as calibration_step
from nas.cli.steps.search import scorer as scorer_step
from nas.cli.steps.search.accuracy.base import Accuracies, AccuracySource, register
from nas.errors import UserError


@final
@register
class Supernet(AccuracySource):
    """Each network inherits the supernet's weights and is evaluated on images."""

    NAME: ClassVar[str] = "supernet"
    evaluates: ClassVar[bool] = True
    reads_images: ClassVar[bool] = True

    def check(self) -> None:
        if self.context.config.search.resolutions:
            raise UserError(
                "search.resolutions limits a search of published accuracies; with search.accuracy=supernet, "
                "write the resolutions into the search space"
            )
        if self.context.config.search.field:
            raise UserError(
                "search.field compares published accuracies; leave it out with search.accuracy=supernet, "
                "where nas finish trains the baselines on your images"
            )
        scorer_step.check(self.context)

    def sizes(self) -> tuple[int, int]:
        splits = self.context.data.splits
        return len(splits.classes), splits.channels

    def settings(self) -> dict[str, Any]:
        calibration = self.context.config.train.calibration_images
        return {**self.context.data_settings(), "calibration_images": calibration}

    def inputs(self) -> dict[str, Path]:
        weights = self.context.path("supernet", "weights.safetensors")
        return {"supernet": weights, **calibration_step.inputs(self.context)}

    def facts(self) -> Mapping[str, str]:
        return scorer_step.search_facts(self.context)

    def resolutions(self) -> tuple[int, ...]:
        return ()

    def open(self) -> Accuracies:
        return scorer_step.scorer(self.context)
