"""Counts of images that subnets classify correctly, in float and in INT8."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch

from nas.arrays import FloatArray
from nas.network import NetworkSpec
from nas.nn import StaticNetwork
from nas.scoring.cache import EvaluationCache
from nas.search.results.finals import Answers
from nas.statistics import Count, balanced_count, balanced_images
from nas.training.data import Images, subset
from nas.training.evaluation import SubnetEvaluator, evaluate, right_answers


@final
@dataclass(frozen=True, kw_only=True)
class Counter:
    """Counts the images that a subnet classifies correctly; cached counts are not repeated.

    Attributes:
        evaluator: Extracts and calibrates a subnet.
        images: The images.
        cache: Cached counts.
        int8_cache: Cached counts in INT8.
        balanced_cache: Cached balanced accuracies.
    """

    evaluator: SubnetEvaluator
    images: Images
    cache: EvaluationCache
    int8_cache: EvaluationCache
    balanced_cache: EvaluationCache

    def count(self, network: NetworkSpec) -> Count:
        """Returns the count on all images."""
        return next(self.stages(network, [len(self.images)]))

    def stages(self, network: NetworkSpec, ends: Sequence[int]) -> Iterator[Count]:
        """Yields the counts on the first ``end`` images for each of ``ends``, which rise to all images.

        If the count on all images is cached, it is the only one.
        """
        cached = self.cache.get(network, ends[-1])
        if cached is not None:
            yield cached
            return
        model, correct, begin = self.evaluator.extract(network), 0, 0
        for end in ends:
            batches = self.evaluator.batches(subset(self.images, range(begin, end)), network)
            correct += evaluate(model, batches, compute=self.evaluator.compute).correct
            begin, count = end, Count(correct, end)
            self.cache.put(network, count)
            yield count

    @property
    def balanced_images(self) -> int:
        """The number of images behind a balanced accuracy; see ``nas.statistics.balanced_images``."""
        return balanced_images(torch.bincount(self.images.labels).tolist())

    def balanced_count(self, network: NetworkSpec) -> Count:
        """Returns the balanced accuracy on all images."""
        cached = self.balanced_cache.get(network, self.balanced_images)
        if cached is not None:
            return cached
        evaluator = self.evaluator
        accuracy = evaluate(
            evaluator.extract(network),
            evaluator.batches(self.images, network),
            compute=evaluator.compute,
            classes=evaluator.supernet.classes,
        )
        count = balanced_count(accuracy.by_class)
        self.balanced_cache.put(network, count)
        return count

    def int8_count(self, network: NetworkSpec) -> Count:
        """Returns the count on all images after quantisation to INT8, run by ONNX Runtime on this machine."""
        from nas.deploy.int8 import int8_accuracy

        cached = self.int8_cache.get(network, len(self.images))
        if cached is not None:
            return cached
        evaluator = self.evaluator
        accuracy = int8_accuracy(
            evaluator.extract(network),
            calibration=evaluator.batches(evaluator.calibration, network),
            images=evaluator.batches(self.images, network),
        )
        count = Count(accuracy.correct, accuracy.total)
        self.int8_cache.put(network, count)
        return count

    def answers(self, model: StaticNetwork) -> Answers:
        """Judges a trained network on each image."""
        right = self._right(model)
        return Answers(marks=right, count=Count(int(right.sum()), len(right)))

    def balanced_answers(self, model: StaticNetwork) -> Answers:
        """Judges a trained network on each image; an image of a rare class counts for more."""
        totals = torch.bincount(self.images.labels)
        shares = len(self.images) / (int((totals > 0).sum()) * totals.clamp(min=1).double())
        marks = self._right(model) * shares[self.images.labels].cpu().numpy()
        number = self.balanced_images
        return Answers(marks=marks, count=Count(number * float(marks.mean()), number))

    def int8_answers(self, model: StaticNetwork) -> Answers:
        """Judges the INT8 version of a trained network on each image, by ONNX Runtime on this machine."""
        from nas.deploy.int8 import int8_right_answers

        evaluator, network = self.evaluator, model.network
        right = int8_right_answers(
            model,
            calibration=evaluator.batches(evaluator.calibration, network),
            images=evaluator.batches(self.images, network),
        ).astype(float)
        return Answers(marks=right, count=Count(int(right.sum()), len(right)))

    def _right(self, model: StaticNetwork) -> FloatArray:
        """1 for each image that a network classifies correctly, 0 for the others, (images,)."""
        evaluator = self.evaluator
        batches = evaluator.batches(self.images, model.network)
        return right_answers(model, batches, compute=evaluator.compute).double().numpy()
