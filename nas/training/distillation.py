"""Losses for learning from the logits of another network.

Both map the student's and the teacher's logits (N, classes), in float32, to a scalar, the mean over the
images. The teacher gets no gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from nas.errors import unknown

ALPHAS = (-1.0, 1.0)
CLIP = 5.0
"""The values of Wang et al. 2021, "AlphaNet"."""

LossOf = Callable[[Tensor], Tensor]
"""From logits (N, classes) to a scalar loss."""


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
