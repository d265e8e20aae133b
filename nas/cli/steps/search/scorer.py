"""Makes the scorer of subnets from the configuration."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from nas.cli.steps.context import Context, prefixed
from nas.cli.steps.search import calibration as calibration_step
from nas.cli.steps.supernet import supernet as supernet_step
from nas.files import sha256

if TYPE_CHECKING:
    from nas.scoring import Scorer

CACHE = "evaluations.jsonl"


def check(context: Context) -> None:
    """Checks the settings before any work is done.

    Raises:
        UserError: If a share of images, the data or the supernet's recipe is invalid.
    """
    from nas.scoring import check_shares

    context.check_data()
    supernet_step.recipe(context)  # it configures the calibration of subnets
    calibration_step.check(context)
    search = context.config.search
    with prefixed("search."):
        check_shares(holdout_fraction=search.holdout_fraction, halving=search.halving)


def scorer(context: Context) -> Scorer:
    """Makes the scorer of the subnets of a run's supernet."""
    from nas.scoring import EvaluationCache, Scorer

    evaluator, search = supernet_step.evaluator(context), context.config.search
    calibration = calibration_step.calibration(context)
    with prefixed("search."):
        return Scorer.of(
            evaluator,
            seed=context.config.seed,
            holdout_fraction=search.holdout_fraction,
            halving=search.halving,
            cache=EvaluationCache(context.path(CACHE), facts=facts(context)),
            calibration=calibration,
        )


def facts(context: Context) -> dict[str, object]:
    """Returns what decides accuracies besides network and held-out images: weights, split, calibration."""
    return {
        "supernet": sha256(context.path(supernet_step.FOLDER, "weights.safetensors")),
        **context.data_settings(),
        "calibration_images": context.config.train.calibration_images,
    }


def search_facts(context: Context) -> dict[str, str]:
    """Returns what must match for a search to resume: the weights, the images and how they are used."""
    accuracy, search = facts(context), context.config.search
    data = {name: value for name, value in accuracy.items() if name != "supernet"}
    data["holdout_fraction"] = search.holdout_fraction
    return {
        "supernet": str(accuracy["supernet"]),
        "halving": str(list(search.halving)),
        "data": hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16],
        **calibration_step.facts(context),
    }
