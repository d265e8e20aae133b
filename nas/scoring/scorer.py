"""Accuracies of a supernet's subnets: objectives of a search, and winners on images hidden from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.nn import StaticNetwork
from nas.quantization import target_here
from nas.scoring.cache import EvaluationCache
from nas.scoring.counter import Counter
from nas.search import Goals, Objective, accuracy
from nas.search.results.finals import Answers
from nas.search.results.winners import CALIBRATED, Remeasure, remeasured
from nas.statistics import ENOUGH_IMAGES, Count
from nas.training.data import Images, subset
from nas.training.evaluation import SubnetEvaluator
from nas.training.trust import Calibration, features

_MOST_IMAGES = 1_000_000
"""So many images have no noise."""

Judge = Callable[[StaticNetwork], Answers]
"""Evaluates a trained network in evaluation mode."""


def holdout_count(images: int, fraction: float | None) -> int:
    """The number of validation images that is hidden from the search.

    Without a fraction it is half of many images. Of few, the search keeps as many as hold the standard error
    of an accuracy at 2 points, but at most three quarters.
    """
    if fraction is not None:
        return round(fraction * images)
    return round(min(max(images - ENOUGH_IMAGES, images / 4), images / 2))


def check_shares(*, holdout_fraction: float | None, halving: Sequence[float]) -> None:
    """Checks a scorer's shares of images.

    Raises:
        UserError: If a share is out of range; the message starts with the argument's name.
    """
    if holdout_fraction is not None and not 0 <= holdout_fraction < 1:
        raise UserError(f"holdout_fraction is {holdout_fraction}; it is a share of images: 0 ≤ share < 1")
    if any(not low < high for low, high in pairwise([0.0, *halving, 1.0])):
        raise UserError(
            f"halving is {list(halving)}; give shares between 0 and 1 that rise, e.g. [0.25, 0.5]"
        )


@final
@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Scores subnets of a trained supernet: each is extracted, calibrated and run on validation images.

    Attributes:
        seen: Counts on the search's images.
        held_out: Counts on images hidden from the search; ``None`` if there are none.
        halving: Increasing shares of the search's images after which the evaluation of a network stops if it
            is clearly worse than one that is as good in all other objectives.
        calibration: Predicts accuracies after training alone, if networks that were trained alone are known.
    """

    seen: Counter
    held_out: Counter | None
    halving: Sequence[float] = ()
    calibration: Calibration | None = None

    @classmethod
    def of(
        cls,
        evaluator: SubnetEvaluator,
        *,
        seed: int,
        holdout_fraction: float | None = 0.0,
        halving: Sequence[float] = (),
        cache: EvaluationCache | None = None,
        calibration: Calibration | None = None,
    ) -> Scorer:
        """Splits the evaluator's validation images into the search's and held-out ones.

        Args:
            evaluator: See ``nas.training.subnet_evaluator``.
            seed: Seed of the split.
            holdout_fraction: The share of images that is hidden from the search, to evaluate winners again;
                ``None`` hides ``holdout_count`` images.
            halving: See the attribute.
            cache: Cached counts. Its facts must name everything that a network's accuracy depends on, except
                ``holdout_fraction``; by default, counts are kept in memory.
            calibration: See the attribute.

        Raises:
            UserError: If a share is out of range, or leaves no images for the search.
        """
        check_shares(holdout_fraction=holdout_fraction, halving=halving)
        images, cache = evaluator.validation, cache or EvaluationCache()
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
        count = holdout_count(len(images), holdout_fraction)
        if count == len(images):
            raise UserError(
                f"holdout_fraction is {holdout_fraction}; it leaves the search none of {len(images)} images; "
                "lower it, or raise the share of validation images (data.validation_fraction)"
            )

        def counter(part: str, images: Images) -> Counter:
            facts = {"holdout_fraction": holdout_fraction, "part": part}
            return Counter(
                evaluator=evaluator,
                images=images,
                cache=cache.with_facts(facts),
                int8_cache=cache.with_facts({**facts, "int8": target_here()}),
                balanced_cache=cache.with_facts({**facts, "balanced": True}),
            )

        return cls(
            seen=counter("seen", subset(images, order[count:])),
            held_out=counter("unseen", subset(images, order[:count])) if count else None,
            halving=halving,
            calibration=calibration,
        )

    @property
    def images(self) -> int:
        """The number of the search's images."""
        return len(self.seen.images)

    def accuracy(self, *, bound: float | None = None) -> Objective:
        """Makes the objective of the accuracy on the search's images, to maximise.

        Args:
            bound: The lowest accuracy allowed, if any.
        """
        return accuracy(
            lambda networks: [self.seen.count(network).value for network in networks],
            bound=bound,
            images=self.images,
            stages=self.stages if self.halving else None,
        )

    def int8_accuracy(self, *, bound: float | None = None) -> Objective:
        """Makes the objective of the accuracy in INT8, run by ONNX Runtime on this machine, to maximise.

        Args:
            bound: The lowest accuracy allowed, if any.
        """
        return accuracy(
            lambda networks: [self.seen.int8_count(network).value for network in networks],
            name="int8_accuracy",
            bound=bound,
            images=self.images,
        )

    def balanced_accuracy(self, *, bound: float | None = None) -> Objective:
        """Makes the objective of the mean accuracy over the classes, to maximise.

        Args:
            bound: The lowest accuracy allowed, if any.
        """
        return accuracy(
            lambda networks: [self.seen.balanced_count(network).value for network in networks],
            name="balanced_accuracy",
            bound=bound,
            images=self.seen.balanced_images,
        )

    def calibrated_accuracy(self, *, bound: float | None = None) -> Objective:
        """Makes the objective of the accuracy that is expected after training alone, to maximise.

        It is a linear function of the accuracy on the search's images and of the logarithms of
        multiply-accumulates and parameters. ``self.calibration`` must be known. The slope by which it follows
        the accuracy scales the noise of the images, so their number is divided by its square.

        Args:
            bound: The lowest accuracy allowed, if any.
        """
        calibration = self.calibration
        assert calibration is not None, "no networks were trained alone"

        def expected(networks: Sequence[NetworkSpec]) -> list[float]:
            counts = [self.seen.count(network).value for network in networks]
            costs = [[each.macs for each in networks], [each.params for each in networks]]
            return [float(value) for value in calibration.predict(features(counts, *costs)).mean.clip(0, 1)]

        worth = min(self.images / max(calibration.slope**2, 1e-9), _MOST_IMAGES)
        return accuracy(expected, name=CALIBRATED, bound=bound, images=max(1, round(worth)))

    def stages(self, network: NetworkSpec) -> Iterator[Count]:
        """Yields the counts on growing parts of the search's images."""
        ends = [max(1, round(share * self.images)) for share in self.halving]
        return self.seen.stages(network, [*sorted({e for e in ends if e < self.images}), self.images])

    def remeasure(self, goals: Goals) -> Remeasure | None:
        """Makes a function that gives a winner the search's kind of accuracy on its held-out images.

        Args:
            goals: Goals of the search.

        Returns:
            The function, or ``None`` without held-out images.
        """
        if self.held_out is None:
            return None
        kinds = {
            "accuracy": self.held_out.count,
            "balanced_accuracy": self.held_out.balanced_count,
            "int8_accuracy": self.held_out.int8_count,
        }
        return kinds[remeasured(goals)]

    def judge(self, goals: Goals) -> Judge | None:
        """Makes a function that evaluates trained networks on the held-out images.

        Args:
            goals: Goals of the search, whose kind of accuracy is evaluated.

        Returns:
            The function, or ``None`` without held-out images.
        """
        if self.held_out is None:
            return None
        kinds = {
            "accuracy": self.held_out.answers,
            "balanced_accuracy": self.held_out.balanced_answers,
            "int8_accuracy": self.held_out.int8_answers,
        }
        return kinds[remeasured(goals)]
