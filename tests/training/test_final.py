"""Training a single network: blended images, early stopping, inherited weights, a teacher."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.nn import StaticNetwork
from nas.scaling import scale
from nas.training.checkpoint import CheckpointPlan, Checkpoints
from nas.training.data import Mix, Normalization, resize
from nas.training.distillation import DISTILLATIONS, Teacher
from nas.training.evaluation import evaluate
from nas.training.final import Method, fit_network, train_network
from nas.training.loop import Progress
from nas.training.optimization import Hyperparameters
from tests.training.recipes.digits import digits, small_space

EPOCHS = 4


def hyper(**changes: float) -> Hyperparameters:
    values = {
        "epochs": EPOCHS,
        "batch_size": 256,
        "learning_rate": 0.4,
        "momentum": 0.9,
        "weight_decay": 1e-5,
    }
    values |= {"warmup_epochs": 1, "label_smoothing": 0.1, "clip_value": 1.0}
    return Hyperparameters(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def network() -> NetworkSpec:
    space = small_space()
    return space.network(space.smallest(), classes=10, input_channels=1)


def accuracy(model: torch.nn.Module, network: NetworkSpec) -> float:
    data = digits()
    images = data.plain(data.splits.validation, resolution=network.resolution)
    return evaluate(model, images, compute=data.compute).value


@pytest.mark.parametrize("mix", [Mix(mixup=0.2), Mix(cutmix=1.0)])
def test_a_network_learns_from_blended_images(network: NetworkSpec, mix: Mix) -> None:
    model, history = fit_network(network, data=digits(), hyper=hyper(), seed=0, method=Method(mix=mix))
    assert history[-1]["loss"] < history[0]["loss"]
    assert accuracy(model, network) > 0.3


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_a_training_that_stops_early_takes_its_best_epoch(network: NetworkSpec, ema_decay: float) -> None:
    long = hyper(epochs=60, learning_rate=0.5, warmup_epochs=2, ema_decay=ema_decay)
    model, history = fit_network(network, data=digits(), hyper=long, seed=0, method=Method(patience=2))
    values = [row["validation_accuracy"] for row in history]
    best = values.index(max(values))
    assert values[best] > 0.5, f"it learned: {values}"
    assert len(values) == best + 3 < 60, f"two epochs later it stopped: {values}"
    assert accuracy(model, network) == values[best]


def test_a_killed_training_stops_at_the_same_epoch(network: NetworkSpec, tmp_path: Path) -> None:
    method = Method(mix=Mix(mixup=0.2, cutmix=1.0), patience=1)
    plan = CheckpointPlan(every_s=None, every_steps=3, keep=2, best_every_epochs=1)
    checkpoints = Checkpoints(folder=tmp_path, plan=plan, about={})
    settings = hyper(epochs=8, learning_rate=12.0, ema_decay=0.5)
    whole, history = fit_network(network, data=digits(), hyper=settings, seed=0, method=method)
    assert len(history) < 8

    def interrupt(progress: Progress) -> None:
        if progress.step == len(history) * progress.steps // 8 - 1:  # within the last epoch
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_network(
            network,
            data=digits(),
            hyper=settings,
            seed=0,
            method=method,
            checkpoints=checkpoints,
            on_step=interrupt,
        )
    again, rows = fit_network(
        network, data=digits(), hyper=settings, seed=0, method=method, checkpoints=checkpoints
    )
    assert [row | {"images_per_s": 0} for row in rows] == [row | {"images_per_s": 0} for row in history]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_a_negative_patience_is_refused() -> None:
    with pytest.raises(UserError, match="patience is -1; give a number of epochs, 0 for none"):
        Method(patience=-1)


@pytest.fixture(scope="module")
def grown_up(network: NetworkSpec) -> StaticNetwork:
    """A trained network."""
    return fit_network(network, data=digits(), hyper=hyper(epochs=6, batch_size=128), seed=0)[0]


def test_a_network_starts_with_inherited_weights(network: NetworkSpec, grown_up: StaticNetwork) -> None:
    barely = hyper(epochs=1, learning_rate=0.001, warmup_epochs=0)
    wider = scale(network, width=1.6)
    trained = train_network(wider, data=digits(), hyper=barely, seed=0, source=grown_up)
    own = accuracy(grown_up, network)
    assert own > 0.5 and trained.inherited is not None and trained.notes == ()
    assert trained.inherited.value == pytest.approx(own, abs=0.03)  # other BatchNorm statistics
    assert trained.validation.value == pytest.approx(own, abs=0.06)
    scratch = train_network(network, data=digits(), hyper=barely, seed=0)
    assert scratch.inherited is None and scratch.validation.value < own - 0.2


def test_what_cannot_be_inherited_is_noted(network: NetworkSpec, grown_up: StaticNetwork) -> None:
    narrow = scale(network, width=0.5)
    trained = train_network(narrow, data=digits(), hyper=hyper(epochs=1), seed=0, source=grown_up)
    assert any("is smaller than it was" in note for note in trained.notes)


@pytest.mark.parametrize("distill", ["soft", "alpha"])
def test_a_teacher_has_its_share_of_the_loss(
    network: NetworkSpec, grown_up: StaticNetwork, distill: str
) -> None:
    large = replace(network, resolution=12)
    teacher = Teacher(model=grown_up, distill=distill, share=0.25)
    model, x = StaticNetwork(large).eval(), torch.randn(4, 1, 12, 12)
    y = torch.arange(4)
    with torch.no_grad():
        logits, guide = model(x), teacher.logits(x, normalize=digits().normalize)
        labels = F.cross_entropy(logits, y)
        own = DISTILLATIONS[distill](logits, guide)  # type: ignore[misc]
        loss = teacher.loss(logits, teacher=guide, labels=lambda z: F.cross_entropy(z, y))
    torch.testing.assert_close(guide, grown_up(resize(x, 8)).detach())
    torch.testing.assert_close(loss, 0.25 * own + 0.75 * labels)


def test_a_teacher_sees_images_in_its_own_normalisation(grown_up: StaticNetwork) -> None:
    other = Normalization(mean=(0.2,), std=(0.7,))
    teacher = Teacher(model=grown_up, normalize=digits().normalize)
    pixels = torch.rand(4, 1, 8, 8) * 255
    for normalize in (other, digits().normalize):
        guide = teacher.logits(normalize.apply(pixels), normalize=normalize)
        torch.testing.assert_close(guide, grown_up(digits().normalize.apply(pixels)).detach())


def test_a_new_classifier_is_trained_on_inherited_features(
    network: NetworkSpec, grown_up: StaticNetwork
) -> None:
    still = hyper(epochs=1, learning_rate=1e-12, warmup_epochs=0)
    model, _ = fit_network(network, data=digits(), hyper=still, seed=0, source=grown_up, classifier=False)
    own, inherited = dict(model.named_parameters()), dict(grown_up.named_parameters())
    changed = [name for name in own if not torch.allclose(own[name], inherited[name])]
    assert changed == [f"blocks.classifier.block.linear.{name}" for name in ("weight", "bias")]


def test_a_student_agrees_with_its_teacher(network: NetworkSpec, grown_up: StaticNetwork) -> None:
    """The teacher has been trained with wrong labels, so that nothing else leads to its answers."""
    liar = copy.deepcopy(grown_up)
    classifier = liar.get_submodule("blocks.classifier.block.linear")
    with torch.no_grad():
        for parameter in classifier.parameters():
            parameter.copy_(parameter.roll(1, 0))
    method = Method(teacher=Teacher(model=liar, share=1.0))
    student, _ = fit_network(network, data=digits(), hyper=hyper(epochs=6), seed=1, method=method)
    validation = digits().plain(digits().splits.validation, resolution=8)
    with torch.no_grad():
        agreed = torch.cat([student(x).argmax(1) == liar(x).argmax(1) for x, _ in validation])
    assert agreed.float().mean() > 0.5 and accuracy(student, network) < 0.2


def test_an_impossible_share_is_refused(grown_up: StaticNetwork) -> None:
    with pytest.raises(UserError, match="teacher_share is 2; give the teacher's share of the loss, 0 to 1"):
        Teacher(model=grown_up, share=2)
