"""Losses on labels, and for learning from the logits of another network.

The latter map the student's and the teacher's logits (N, classes), in float32, to a scalar, the mean over the
images. The teacher gets no gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from nas.errors import UserError, unknown
from nas.nn import StaticNetwork
from nas.training.data import Normalization, resize
from nas.training.optimization import at_least_float32

ALPHAS = (-1.0, 1.0)
CLIP = 5.0
"""The values of Wang et al. 2021, "AlphaNet"."""

LossOf = Callable[[Tensor], Tensor]
"""From logits (N, classes) to a scalar loss."""


def label_loss(
    logits: Tensor, y: Tensor, *, smoothing: float = 0.0, class_weights: Tensor | None = None
) -> Tensor:
    """The mean cross-entropy of a batch.

    Args:
        logits: (N, classes).
        y: Labels (N,), or shares of the classes (N, classes) of blended images.
        smoothing: Share of a label's weight that is spread over all classes.
        class_weights: A factor for each class, (classes,). The sum is divided by N, not by the weights of the
            batch: otherwise an image would count more or less depending on its neighbours.
    """
    if class_weights is None:
        return F.cross_entropy(logits, y, label_smoothing=smoothing)
    total = F.cross_entropy(logits, y, weight=class_weights, label_smoothing=smoothing, reduction="sum")
    return total / len(y)


def soft_cross_entropy(student: Tensor, teacher: Tensor) -> Tensor:
    """The cross-entropy with the teacher's probabilities, at temperature 1 (Yu et al. 2020, section 3.1)."""
    return F.cross_entropy(student, teacher.detach().softmax(1))


def adaptive_alpha_divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """For each image, the larger alpha-divergence from teacher to student (Wang et al. 2021, "AlphaNet").

    A negative alpha punishes a student that overestimates the teacher's uncertainty, a positive one a student
    that underestimates it.
    """
    divergences = torch.stack([alpha_divergence(student, teacher, alpha=alpha) for alpha in ALPHAS])
    return divergences.amax(0).mean()


def alpha_divergence(student: Tensor, teacher: Tensor, *, alpha: float, clip: float = CLIP) -> Tensor:
    """The alpha-divergence of each image, (N,), with the gradient of clipped importance sampling.

    With teacher p, student q and w = (p / q)^α the divergence is the sum of q (w - 1) / (α (α - 1)), and for
    α = 1 its limit, the sum of p log(p / q). The gradient is the sum of -(1 / α) q w ∇ log q, with w
    detached. In both, w is clipped, since a single improbable class would outweigh all others; except for
    α = 1, where q w = p is a probability.

    Args:
        student: Logits (N, classes).
        teacher: Logits (N, classes).
        alpha: Not 0.
        clip: The largest w.
    """
    log_q = student.log_softmax(1)
    with torch.no_grad():
        log_ratio = teacher.log_softmax(1) - log_q
        if alpha == 1:
            weights = (log_ratio + log_q).exp()
            value = (weights * log_ratio).sum(1)
        else:
            ratio = (alpha * log_ratio).exp().clamp(max=clip)
            weights = log_q.exp() * ratio
            value = (log_q.exp() * (ratio - 1)).sum(1) / (alpha * (alpha - 1))
    gradient = -(weights * log_q).sum(1) / alpha
    return value + gradient - gradient.detach()


DISTILLATIONS: dict[str, Callable[[Tensor, Tensor], Tensor] | None] = {
    "soft": soft_cross_entropy,
    "alpha": adaptive_alpha_divergence,
    "none": None,
}


def check_distillation(name: str) -> None:
    """Raises a ``UserError`` if there is no distillation of this name."""
    if name not in DISTILLATIONS:
        raise unknown("distillation", name, DISTILLATIONS)


def student_loss(name: str, *, teacher: Tensor, labels: LossOf) -> LossOf:
    """The loss of a student.

    Args:
        name: One of ``DISTILLATIONS``; ``none`` uses the labels.
        teacher: The teacher's logits (N, classes).
        labels: The loss on labels.
    """
    distillation = DISTILLATIONS[name]
    return labels if distillation is None else lambda logits: distillation(logits, teacher)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Teacher:
    """A trained network from which single networks learn.

    Attributes:
        model: The network, in evaluation mode.
        distill: The loss, one of ``DISTILLATIONS``.
        share: Its share of the loss, 0 to 1; labels have the rest.
        normalize: The normalisation that it was trained with; ``None`` if it is always the student's.
    """

    model: StaticNetwork
    distill: str = "soft"
    share: float = 0.5
    normalize: Normalization | None = None

    def __post_init__(self) -> None:
        check_distillation(self.distill)
        if not 0 <= self.share <= 1:
            raise UserError(f"teacher_share is {self.share}; give the teacher's share of the loss, 0 to 1")

    @property
    def resolution(self) -> int:
        """Side of its images in pixels."""
        return self.model.network.resolution

    @torch.no_grad()
    def logits(self, x: Tensor, *, normalize: Normalization) -> Tensor:
        """Logits (N, classes) of a student's images (N, C, H, W), which are resized to its resolution.

        Args:
            x: The images.
            normalize: Their normalisation.
        """
        if self.normalize not in (None, normalize):
            x = self.normalize.apply(normalize.undo(x))
        return at_least_float32(self.model(resize(x, self.resolution)))

    def loss(self, logits: Tensor, *, teacher: Tensor, labels: LossOf) -> Tensor:
        """The student's loss, from its logits and the teacher's."""
        own = student_loss(self.distill, teacher=teacher, labels=labels)(logits)
        return self.share * own + (1 - self.share) * labels(logits)
