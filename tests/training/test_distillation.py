"""Losses that teach from logits, against their formulas written out."""

from __future__ import annotations

import math

import pytest
import torch

from nas.training.distillation import adaptive_alpha_divergence, alpha_divergence, soft_cross_entropy

Row = list[float]


def logits(seed: int, *, spread: float) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, 6, 5, generator=rng, dtype=torch.float64) * spread
    return student.requires_grad_(), teacher.requires_grad_()


def softmax(row: Row) -> Row:
    total = sum(math.exp(value) for value in row)
    return [math.exp(value) / total for value in row]


def literal(student: Row, teacher: Row, alpha: float, clip: float) -> tuple[float, Row]:
    """The divergence of one image, and its gradient with respect to the student's logits."""
    q, p = softmax(student), softmax(teacher)
    w = [b / a if alpha == 1 else min((b / a) ** alpha, clip) for a, b in zip(q, p, strict=True)]
    if alpha == 1:
        value = sum(b * math.log(b / a) for a, b in zip(q, p, strict=True))
    else:
        value = sum(a * (c - 1) for a, c in zip(q, w, strict=True)) / (alpha * (alpha - 1))
    # d log q_i / d logit_j = [i = j] - q_j
    gradient = [
        sum(-1 / alpha * q[i] * w[i] * ((i == j) - q[j]) for i in range(len(q))) for j in range(len(q))
    ]
    return value, gradient


@pytest.mark.parametrize("spread", [0.3, 3.0], ids=["nothing is clipped", "much is clipped"])
@pytest.mark.parametrize("alpha", [-1.0, 1.0, 0.5])
def test_alpha_divergence_is_its_formula(alpha: float, spread: float) -> None:
    student, teacher = logits(0, spread=spread)
    values = alpha_divergence(student, teacher, alpha=alpha, clip=5.0)
    values.sum().backward()
    assert student.grad is not None and teacher.grad is None
    rows = zip(student.tolist(), teacher.tolist(), strict=True)
    wanted = [literal(mine, other, alpha, 5.0) for mine, other in rows]
    torch.testing.assert_close(values.detach(), torch.tensor([v for v, _ in wanted], dtype=torch.float64))
    torch.testing.assert_close(student.grad, torch.tensor([g for _, g in wanted], dtype=torch.float64))


def test_each_image_learns_by_the_larger_divergence() -> None:
    student, teacher = logits(1, spread=2.0)
    loss = adaptive_alpha_divergence(student, teacher)
    loss.backward()
    pairs = [
        [literal(mine, other, alpha, 5.0) for alpha in (-1.0, 1.0)]
        for mine, other in zip(student.tolist(), teacher.tolist(), strict=True)
    ]
    larger = [max(pair) for pair in pairs]
    assert len({pair.index(best) for pair, best in zip(pairs, larger, strict=True)}) == 2, "both are chosen"
    assert loss.item() == pytest.approx(sum(value for value, _ in larger) / 6, rel=1e-12)
    assert student.grad is not None
    torch.testing.assert_close(student.grad, torch.tensor([g for _, g in larger], dtype=torch.float64) / 6)


def test_unclipped_divergences_have_the_gradient_of_their_value() -> None:
    student, teacher = logits(2, spread=0.5)
    for alpha in (-1.0, 1.0):
        (taught,) = torch.autograd.grad(
            alpha_divergence(student, teacher, alpha=alpha, clip=math.inf).sum(), student
        )
        q, p = student.softmax(1), teacher.detach().softmax(1)
        plain = (p * (p / q).log()).sum() if alpha == 1 else ((q * q / p).sum() - len(q)) / 2
        torch.testing.assert_close(taught, torch.autograd.grad(plain, student)[0])


@pytest.mark.parametrize("loss", [soft_cross_entropy, adaptive_alpha_divergence])
def test_the_teacher_itself_is_the_best_student(loss: object) -> None:
    assert callable(loss)
    student, teacher = logits(3, spread=2.0)
    best = teacher.detach().clone().requires_grad_()
    loss(best, teacher).backward()
    assert best.grad is not None and best.grad.abs().max() < 1e-12
    assert loss(student, teacher) > loss(best, teacher) + 0.1


def test_certain_teachers_give_no_infinity() -> None:
    student = torch.tensor([[0.0, 200.0], [200.0, 0.0]], requires_grad=True)
    loss = adaptive_alpha_divergence(student, torch.tensor([[200.0, 0.0], [200.0, 0.0]]))
    loss.backward()
    assert loss.isfinite() and student.grad is not None and student.grad.isfinite().all()
