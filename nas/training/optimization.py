"""The optimiser and the loop that both the supernet and a single network are trained with."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from nas.errors import UserError

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One network's way forward and backward within a step.

    Attributes:
        name: The loss's name in the history, e.g. ``loss_random``.
        network: What ran: an architecture's code, or another name of the network.
        loss: Its loss, detached, a scalar.
    """

    name: str
    network: str
    loss: Tensor


@dataclass(frozen=True)
class StepResult:
    """What ran in a step, in this order. Which names there are may change in the course of a training."""

    passes: tuple[Pass, ...]

    @property
    def losses(self) -> dict[str, Tensor]:
        """The mean loss by name, detached."""
        found: dict[str, list[Tensor]] = {}
        for done in self.passes:
            found.setdefault(done.name, []).append(done.loss)
        return {name: torch.stack(losses).mean() for name, losses in found.items()}


class Backward(Protocol):
    """Runs forward and backward for one batch."""

    def __call__(self, x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        """Adds the gradients of images (N, C, H, W) with labels (N,).

        ``progress`` is the share of the training that is done, 0 to 1.
        """


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """How a network is optimised (BigNAS, Yu et al. 2020, section 4.1, unless set otherwise).

    Attributes:
        epochs: Passes over the training images.
        batch_size: Images a step.
        learning_rate: Peak, for 256 images a step; scaled linearly with the batch size.
        momentum: Of Nesterov's method.
        weight_decay: For convolution and matrix weights; none for BatchNorm and biases.
        warmup_epochs: Epochs of linear warm-up; a cosine follows, step by step.
        label_smoothing: Share of the label's weight that is spread over all classes.
        clip_value: Gradients are clipped to ± this value; 0 for no clipping.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    warmup_epochs: float
    label_smoothing: float
    clip_value: float

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of ``step`` out of ``steps``."""
        peak = self.learning_rate * self.batch_size / 256
        warmup = min(self.warmup_epochs / max(self.epochs, 1), 1.0) * steps
        if step < warmup:
            return peak * (step + 1) / warmup
        return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where and how precisely to compute.

    Attributes:
        device: Where the network lives.
        autocast: The lower precision of convolutions and matrix products, or ``None``.
    """

    device: torch.device
    autocast: torch.dtype | None = None

    @classmethod
    def choose(cls, device: str = "auto", autocast: str = "auto") -> Compute:
        """Picks the device and the precision.

        Args:
            device: ``auto``, or anything that ``torch.device`` takes.
            autocast: ``auto`` (bfloat16 on CUDA, none elsewhere), ``none``, ``bf16`` or ``fp16``.

        Raises:
            UserError: If the device is not there or the precision has no such name.
        """
        name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        try:
            torch.empty(1, device=name)
            chosen = torch.device(name)
        except (RuntimeError, AssertionError) as error:
            raise UserError(f"device {name!r} cannot be used ({error}); use auto, cpu or cuda") from None
        types = {"none": None, "bf16": torch.bfloat16, "fp16": torch.float16}
        types["auto"] = torch.bfloat16 if chosen.type == "cuda" else None
        if autocast not in types:
            raise UserError(f"autocast is {autocast!r}; allowed: {', '.join(sorted(types))}")
        return cls(device=chosen, autocast=types[autocast])

    def context(self) -> Any:
        """The context in which forward passes run."""
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.autocast)


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` in a precision that losses can be computed in: float64 stays, what is lower becomes float32."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def make_optimizer(model: nn.Module, hyper: Hyperparameters) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum; BatchNorm and biases (one-dimensional parameters) do not decay."""
    decay = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": hyper.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    return torch.optim.SGD(groups, lr=0.0, momentum=hyper.momentum, nesterov=hyper.momentum > 0)


def fit(
    model: nn.Module,
    *,
    hyper: Hyperparameters,
    epoch_batches: Callable[[], Iterable[Batch]],
    steps_per_epoch: int,
    backward: Backward,
    on_step: Callable[[], None] = lambda: None,
    on_epoch: Callable[[dict[str, float]], None] = lambda _: None,
) -> None:
    """Trains ``model`` in place.

    Args:
        model: The module whose parameters are trained.
        hyper: How.
        epoch_batches: Gives one epoch's batches, images (N, C, H, W) and labels (N,).
        steps_per_epoch: Batches of one epoch.
        backward: Runs forward and backward for one batch, adding to the gradients.
        on_step: Called after each step.
        on_epoch: Called after each epoch with its number, learning rate, mean losses and images a second.
    """
    optimizer = make_optimizer(model, hyper)
    steps, step = hyper.epochs * steps_per_epoch, 0
    for epoch in range(1, hyper.epochs + 1):
        model.train()
        totals: dict[str, Tensor] = {}
        images, start = 0, time.perf_counter()
        for x, y in epoch_batches():
            rate = hyper.rate(step, steps)
            now = partial(backward, progress=step / steps)
            result = _step(optimizer, now, x, y, rate=rate, clip_value=hyper.clip_value)
            for name, loss in result.losses.items():
                totals[name] = totals.get(name, torch.zeros((), device=loss.device)) + loss
            images += len(y)
            step += 1
            on_step()
        means = {name: float(total) / steps_per_epoch for name, total in totals.items()}
        speed = images / (time.perf_counter() - start)
        on_epoch({"epoch": epoch, "learning_rate": rate, **means, "images_per_s": speed})


def _step(
    optimizer: torch.optim.Optimizer,
    backward: Callable[[Tensor, Tensor], StepResult],
    x: Tensor,
    y: Tensor,
    *,
    rate: float,
    clip_value: float,
) -> StepResult:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    result = backward(x, y)
    if clip_value:
        params = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        nn.utils.clip_grad_value_(params, clip_value)
    optimizer.step()
    return result
