"""The sandwich rule, gradient by gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nas.nn import NO_DROP, Drop, Supernet
from nas.space import Architecture
from nas.training.data import resize
from nas.training.distillation import adaptive_alpha_divergence
from nas.training.recipes import make_recipe
from nas.training.recipes.progressive_shrinking import draw_within
from tests.training.recipes.digits import fresh, small_space, trainee

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
LOSSES: dict[str, Loss] = {
    "soft": lambda student, teacher, y: -(teacher.softmax(1) * student.log_softmax(1)).sum(1).mean(),
    "alpha": lambda student, teacher, y: adaptive_alpha_divergence(student, teacher),
    "none": lambda student, teacher, y: F.cross_entropy(student, y),
}


@pytest.fixture
def supernet() -> Supernet:
    """In float64, with BatchNorm in evaluation mode, and scales and statistics that leave nothing out."""
    made = fresh().double().eval()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in made.state_dict().items():
            if ".norm." in name and value.ndim == 1:
                value.uniform_(0.5, 1.5, generator=rng)
        made.blocks["classifier_linear"].get_submodule("linear").weight.normal_(0, 0.3, generator=rng)
    return made


def batch() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(6, 1, 12, 12, generator=rng, dtype=torch.float64), torch.arange(6)


def gradients(supernet: Supernet) -> dict[str, Tensor]:
    found = {name: p.grad.clone() for name, p in supernet.named_parameters() if p.grad is not None}
    supernet.zero_grad()
    return found


def taught(
    supernet: Supernet, archs: list[Architecture], loss: Loss, *, drop: Drop = NO_DROP
) -> dict[str, Tensor]:
    """The summed gradients of a teacher and its students, each computed by itself."""
    x, y = batch()
    space, total = supernet.space, dict[str, Tensor]()
    networks = [space.network(arch, classes=10, input_channels=1) for arch in archs]
    teacher = supernet(resize(x, networks[0].resolution), networks[0], drop=drop)
    students = [supernet(resize(x, network.resolution), network) for network in networks[1:]]
    for value in (F.cross_entropy(teacher, y), *(loss(student, teacher.detach(), y) for student in students)):
        value.backward()
        for name, gradient in gradients(supernet).items():
            total[name] = total[name] + gradient if name in total else gradient
    return total


def assert_equal(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert (found[name] - gradient).abs().max() <= 1e-10 * max(1.0, float(gradient.abs().max())), name


def sampled(seed: int, count: int) -> Iterator[Architecture]:
    rng = np.random.default_rng(seed)
    return (small_space().sample(rng) for _ in range(count))


@pytest.mark.parametrize("distill", LOSSES)
def test_gradients_are_the_sum_of_separate_ones(supernet: Supernet, distill: str) -> None:
    rule = make_recipe("sandwich", {"random_subnets": 2, "distill": distill}).build(
        trainee(supernet, np.random.default_rng(3))
    )
    result = rule.backward(*batch(), progress=0.5)
    space = supernet.space
    archs = [space.largest(), *sampled(3, 2), space.smallest()]
    assert [done.network for done in result.passes] == [str(arch) for arch in archs]
    assert_equal(gradients(supernet), taught(supernet, archs, LOSSES[distill]))


def test_progressive_shrinking_sums_gradients_too(supernet: Supernet) -> None:
    rule = make_recipe("progressive_shrinking", {"random_subnets": 2}).build(
        trainee(supernet, np.random.default_rng(3))
    )
    result = rule.backward(*batch(), progress=0.6)
    rng = np.random.default_rng(3)
    archs = [draw_within(supernet.space, rng, phase=phase) for phase in (0, 2, 2)]
    assert [done.network for done in result.passes] == [str(arch) for arch in archs]
    assert_equal(gradients(supernet), taught(supernet, archs, LOSSES["soft"]))


def test_the_first_phase_trains_the_full_network_alone(supernet: Supernet) -> None:
    rule = make_recipe("progressive_shrinking").build(trainee(supernet, np.random.default_rng(0)))
    assert [done.name for done in rule.backward(*batch(), progress=0.1).passes] == ["loss_largest"]


def test_attentive_sampling_trains_the_candidate_with_the_least_loss(supernet: Supernet) -> None:
    options = {"random_subnets": 3, "sampling": "attentive"}
    rule = make_recipe("sandwich", options).build(trainee(supernet, np.random.default_rng(0)))
    judged: list[tuple[list[str], Tensor]] = []
    ask = trainee(supernet, np.random.default_rng(0)).judge

    def judge(
        self: object, archs: list[Architecture], x: Tensor, loss_of: Callable[[Tensor], Tensor]
    ) -> Tensor:
        judged.append(([str(arch) for arch in archs], ask(archs, x, loss_of)))
        return judged[-1][1]

    x, y = batch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.training.recipes.base.Trainee.judge", judge)
        result = rule.backward(x, y, progress=0.0)
    for done, (codes, losses) in zip(result.passes[1:-1], judged, strict=True):
        assert done.network == codes[int(losses.argmin())]
        for code, loss in zip(codes, losses, strict=True):
            network = supernet.network(supernet.space.parse(code))
            assert float(loss) == pytest.approx(
                F.cross_entropy(supernet(resize(x, network.resolution), network), y).item(), rel=1e-12
            )


@pytest.mark.parametrize("options", [{"dropout": 0.5}, {"drop_connect": 0.5}], ids=lambda o: str(*o))
def test_only_the_largest_is_regularised(supernet: Supernet, options: dict[str, float]) -> None:
    supernet.train()
    rule = make_recipe("sandwich", {"random_subnets": 1, **options}).build(
        trainee(supernet, np.random.default_rng(3))
    )
    torch.manual_seed(0)
    rule.backward(*batch(), progress=0.5)
    found, space = gradients(supernet), supernet.space
    archs = [space.largest(), *sampled(3, 1), space.smallest()]
    drop = Drop(dropout=options.get("dropout", 0.0), connect=options.get("drop_connect", 0.0))
    torch.manual_seed(0)
    assert_equal(found, taught(supernet, archs, LOSSES["soft"], drop=drop))
    plain = taught(supernet, archs, LOSSES["soft"])
    assert any((found[name] - gradient).abs().max() > 1e-3 for name, gradient in plain.items())


def separate(supernet: Supernet, archs: list[Architecture]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The gradients of the largest, and the summed ones of the others."""
    x, y = batch()
    space = supernet.space
    network = space.network(archs[0], classes=10, input_channels=1)
    F.cross_entropy(supernet(resize(x, network.resolution), network), y).backward()
    largest, total = gradients(supernet), taught(supernet, archs, LOSSES["soft"])
    return largest, {name: value - largest.get(name, torch.zeros(())) for name, value in total.items()}


def test_gradients_that_oppose_the_others_are_projected(supernet: Supernet) -> None:
    options = {"random_subnets": 1, "project_after": 0.25}
    rule = make_recipe("sandwich", options).build(trainee(supernet, np.random.default_rng(3)))
    rule.backward(*batch(), progress=0.5)
    found, space = gradients(supernet), supernet.space
    largest, others = separate(supernet, [space.largest(), *sampled(3, 1), space.smallest()])
    kinds = set()
    for name, gradient in found.items():
        ours, theirs = largest[name], others[name]
        product, square = float((ours * theirs).sum()), float(theirs.square().sum())
        left = gradient - theirs  # the largest's share
        if square == 0 or product >= 0:
            kinds.add("kept")
            assert (left - ours).abs().max() <= 1e-9
        elif -product <= 2 * square:
            kinds.add("normal")
            assert abs(float((left * theirs).sum())) <= 1e-9 * max(1.0, square), name
            assert float((left * ours).sum()) >= 0, name  # what is left still serves the largest
        else:
            kinds.add("bounded")
            assert (left - ours - 2 * theirs).abs().max() <= 1e-9
    assert kinds >= {"kept", "normal"}


def test_gradients_are_summed_before_projection_begins(supernet: Supernet) -> None:
    options = {"random_subnets": 1, "project_after": 0.5}
    rule = make_recipe("sandwich", options).build(trainee(supernet, np.random.default_rng(3)))
    rule.backward(*batch(), progress=0.4)
    found, space = gradients(supernet), supernet.space
    assert_equal(found, taught(supernet, [space.largest(), *sampled(3, 1), space.smallest()], LOSSES["soft"]))
