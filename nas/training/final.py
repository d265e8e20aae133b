"""Training single networks, all by the same method: from scratch, or from inherited weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from nas.errors import UserError
from nas.network import NetworkSpec
from nas.nn import StaticNetwork, inherit, zero_residual_scales
from nas.nn.rounding import Rounded
from nas.training.checkpoint import Checkpoints
from nas.training.data import UNMIXED, Images, Mix, resize
from nas.training.distillation import Teacher, label_loss
from nas.training.evaluation import Accuracy, calibrate, drawn, evaluate
from nas.training.loop import Progress, Task, fit
from nas.training.optimization import Batch, Hyperparameters, Pass, StepResult, at_least_float32
from nas.training.prepared import Prepared
from nas.training.state import Randomness, Row

if TYPE_CHECKING:
    from nas.quantization import Scheme

CALIBRATION_IMAGES = 4096
"""Number of training images for the BatchNorm statistics of averaged weights."""


@final
@dataclass(frozen=True, kw_only=True)
class Method:
    """How a network is trained, beside its optimisation.

    Attributes:
        mix: How images of a batch are blended.
        patience: Epochs without a better validation accuracy after which the training stops and takes the
            weights of the best epoch; 0 trains for all epochs.
        teacher: A trained network that the network learns from, beside the labels.
        int8_epochs: Last epochs in which the network computes with the rounding of its INT8 file.
        int8: What that file rounds; needed for ``int8_epochs``.
    """

    mix: Mix = UNMIXED
    patience: int = 0
    teacher: Teacher | None = None
    int8_epochs: int = 0
    int8: Scheme | None = None

    def __post_init__(self) -> None:
        if self.patience < 0:
            raise UserError(f"patience is {self.patience}; give a number of epochs, 0 for none")
        if self.int8_epochs < 0:
            raise UserError(f"int8_epochs is {self.int8_epochs}; give a number of epochs, 0 for none")
        if self.int8_epochs and self.int8 is None:
            raise UserError(f"int8_epochs is {self.int8_epochs}, but int8 is None; name what is rounded")
        if self.int8_epochs and self.patience:
            raise UserError(
                f"int8_epochs is {self.int8_epochs}, but early_stop may end the training before the last "
                "epochs; set one of them only"
            )


PLAIN = Method()


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network that was trained.

    Attributes:
        model: The trained module in evaluation mode.
        history: One row per epoch.
        validation: Its accuracy on the validation images.
        test: Its accuracy on the test images, which are read once.
        inherited: Its accuracy on the validation images before training, if it inherited weights.
        notes: What it could not inherit, in sentences.
    """

    model: StaticNetwork
    history: list[Row]
    validation: Accuracy
    test: Accuracy
    inherited: Accuracy | None = None
    notes: tuple[str, ...] = ()


def train_network(
    network: NetworkSpec,
    *,
    data: Prepared,
    hyper: Hyperparameters,
    seed: int,
    method: Method = PLAIN,
    source: StaticNetwork | None = None,
    classifier: bool = True,
    checkpoints: Checkpoints | None = None,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_epoch: Callable[[Row], None] = lambda _: None,
) -> Trained:
    """Trains a network on the training images and evaluates it.

    Args:
        network: The network, with the classes and channels of the data.
        data: The images.
        hyper: The hyperparameters.
        seed: Determines the initial weights and the order of the images.
        method: Blended images, early stopping, a teacher.
        source: A trained network whose weights it inherits; ``None`` trains from scratch.
        classifier: Whether it inherits the source's classifier too. With a new one, its accuracy before the
            training is not measured.
        checkpoints: Where the state of the training is saved and resumed from.
        on_step: Called after each step.
        on_epoch: Called after each epoch, with its row of the history.
    """
    model, notes = _begun(network, data=data, hyper=hyper, seed=seed, source=source, classifier=classifier)

    def measure(images: Images) -> Accuracy:
        batches = data.plain(images, resolution=network.resolution)
        return evaluate(model, batches, compute=data.compute, classes=network.classes)

    inherited = None
    if source is not None and classifier:
        recalibrate(model, data=data, seed=seed)
        inherited = measure(data.splits.validation)
    task = _task(model, data=data, hyper=hyper, method=method, seed=seed)
    history = _fitted(task, data=data, seed=seed, checkpoints=checkpoints, on_step=on_step, on_epoch=on_epoch)
    return Trained(
        model=model,
        history=history,
        validation=measure(data.splits.validation),
        test=measure(data.splits.test),
        inherited=inherited,
        notes=notes,
    )


def fit_network(
    network: NetworkSpec,
    *,
    data: Prepared,
    hyper: Hyperparameters,
    seed: int,
    method: Method = PLAIN,
    source: StaticNetwork | None = None,
    classifier: bool = True,
    checkpoints: Checkpoints | None = None,
    on_step: Callable[[Progress], None] = lambda _: None,
) -> tuple[StaticNetwork, list[Row]]:
    """Trains a network without evaluating it, with the arguments of :func:`train_network`.

    Returns:
        The module in evaluation mode, and one row per epoch.
    """
    model, _ = _begun(network, data=data, hyper=hyper, seed=seed, source=source, classifier=classifier)
    task = _task(model, data=data, hyper=hyper, method=method, seed=seed)
    return model, _fitted(task, data=data, seed=seed, checkpoints=checkpoints, on_step=on_step)


def _begun(
    network: NetworkSpec,
    *,
    data: Prepared,
    hyper: Hyperparameters,
    seed: int,
    source: StaticNetwork | None,
    classifier: bool,
) -> tuple[StaticNetwork, tuple[str, ...]]:
    """A network before its training, and what it could not inherit."""
    torch.manual_seed(seed)
    model = StaticNetwork(network)
    notes = () if source is None else inherit(model, source.cpu(), classifier=classifier)
    if source is None and hyper.zero_init_residual:
        zero_residual_scales(model)
    return model.to(data.compute.device, memory_format=torch.channels_last), notes  # type: ignore[call-overload]


def _fitted(
    task: Task,
    *,
    data: Prepared,
    seed: int,
    checkpoints: Checkpoints | None,
    on_step: Callable[[Progress], None],
    on_epoch: Callable[[Row], None] = lambda _: None,
) -> list[Row]:
    """Trains the model of a task, which is in evaluation mode afterwards."""
    history = fit(task, checkpoints=checkpoints, on_step=on_step, on_epoch=on_epoch)
    assert isinstance(task.model, StaticNetwork)
    if task.hyper.ema_decay:  # the statistics belong to the weights before averaging
        recalibrate(task.model, data=data, seed=seed)
    task.model.eval()
    return history


def recalibrate(model: StaticNetwork, *, data: Prepared, seed: int) -> None:
    """Computes the BatchNorm statistics on training images, which the seed determines."""
    images = drawn(data.splits.train, count=CALIBRATION_IMAGES, seed=seed)
    calibrate(model, (x for x, _ in data.plain(images, resolution=model.network.resolution)))


def compiled(model: StaticNetwork, *, backend: str | Callable[..., Any] = "inductor") -> Callable[..., Any]:
    """A network compiled for its own sizes.

    All networks share the code of one class. Without the reset, the second one would be compiled for varying
    sizes, which is slower, and from the ninth on none would be compiled.
    """
    torch.compiler.reset()
    return torch.compile(model, dynamic=False, backend=backend)


def _task(model: StaticNetwork, *, data: Prepared, hyper: Hyperparameters, method: Method, seed: int) -> Task:
    randomness, resolution = Randomness.of(seed), model.network.resolution
    run, teacher = compiled(model) if data.compute.compile else model, method.teacher
    side = resolution if teacher is None else max(resolution, teacher.resolution)
    steps = data.steps(hyper.batch_size)

    def batches(first: int) -> Iterable[Batch]:
        rng = randomness.images
        images = data.training(batch_size=hyper.batch_size, resolution=side, rng=rng, first=first)
        if not method.mix.is_on:
            return images
        return method.mix.mixed(images, classes=model.network.classes, steps=steps, rng=rng, first=first)

    def rounded(x: Tensor) -> Tensor:
        assert method.int8 is not None
        with Rounded(method.int8):  # the plain module: a compiled one would not see the rounding
            return model(x)  # type: ignore[no-any-return]

    def backward(x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        labels = partial(label_loss, y=y, smoothing=hyper.label_smoothing, class_weights=data.class_weights)

        rounds = progress * hyper.epochs >= hyper.epochs - method.int8_epochs
        with data.compute.context():
            forward = rounded if rounds else run
            logits = at_least_float32(forward(resize(x, resolution)))
            guide = None if teacher is None else teacher.logits(x, normalize=data.normalize)
        loss = labels(logits)
        if teacher is not None and guide is not None:
            loss = teacher.loss(logits, teacher=guide, labels=labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return StepResult((Pass(name="loss", network="the network", loss=loss.detach()),))

    def accuracy() -> float:
        if hyper.ema_decay:
            recalibrate(model, data=data, seed=seed)
        images = data.plain(data.splits.validation, resolution=resolution)
        return evaluate(model, images, compute=data.compute).value

    return Task(
        model=model,
        hyper=hyper,
        compute=data.compute,
        randomness=randomness,
        steps_per_epoch=steps,
        batches=batches,
        backward=backward,
        accuracy=accuracy if method.patience else None,
        patience=method.patience,
    )
