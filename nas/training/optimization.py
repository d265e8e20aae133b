"""Hyperparameters, devices and the results of steps, for ``nas.training.loop``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from nas.errors import UserError
from nas.nn.layers import Undecayed
from nas.training.distributed import Processes
from nas.training.ema import check_decay

Batch = tuple[Tensor, Tensor]
ALONE = Processes()

FUSED = ("cpu", "cuda")
"""Devices with a fused optimizer step: one kernel instead of several for each parameter."""


@dataclass(frozen=True, kw_only=True)
class Pass:
    """The forward and backward pass of one network within a step.

    Attributes:
        name: The loss's name in the history, e.g. ``loss_random``.
        network: The architecture's code, or another name of the network.
        loss: Its detached loss, a scalar.
    """

    name: str
    network: str
    loss: Tensor


@dataclass(frozen=True)
class StepResult:
    """The passes of a step in their order. Their names may change during a training."""

    passes: tuple[Pass, ...]

    @property
    def losses(self) -> dict[str, Tensor]:
        """The mean detached loss by name."""
        by_name: dict[str, list[Tensor]] = {}
        for done in self.passes:
            by_name.setdefault(done.name, []).append(done.loss)
        return {name: torch.stack(losses).mean() for name, losses in by_name.items()}


class Backward(Protocol):
    """Runs forward and backward for one batch."""

    def __call__(self, x: Tensor, y: Tensor, *, progress: float) -> StepResult:
        """Adds the gradients of images (N, C, H, W) with labels (N,).

        ``progress`` is the completed share of the training, 0 to 1.
        """


OPTIMIZERS = ("sgd", "adamw")
"""SGD with Nesterov momentum (BigNAS, for convolutions), and AdamW (Loshchilov and Hutter 2019, for
transformers)."""

_SECOND_BETA = 0.999

_RANGES: Mapping[str, tuple[Callable[[float], bool], str]] = {
    "epochs": (lambda value: value >= 1, "at least 1"),
    "batch_size": (lambda value: value >= 1, "at least 1"),
    "learning_rate": (lambda value: value >= 0, "0 or a positive number"),
    "momentum": (lambda value: 0 <= value < 1, "0 for none, or a share below 1, e.g. 0.9"),
    "weight_decay": (lambda value: value >= 0, "0 for none, or a positive number"),
    "warmup_epochs": (lambda value: value >= 0, "0 for none, or a positive number"),
    "label_smoothing": (lambda value: 0 <= value < 1, "0 for none, or a share below 1, e.g. 0.1"),
    "clip_value": (lambda value: value >= 0, "0 for no clipping, or a positive number"),
    "clip_norm": (lambda value: value >= 0, "0 for no clipping, or a positive number"),
}
"""The allowed values of each hyperparameter, as a check and as text."""


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """The settings of an optimisation (BigNAS, Yu et al. 2020, section 4.1, by default).

    Attributes:
        epochs: Passes over the training images.
        batch_size: Images per step, of all processes together.
        learning_rate: Peak for 256 images per step, scaled linearly with the batch size.
        momentum: Momentum of Nesterov's method, or the first beta of AdamW.
        weight_decay: Decay of convolution and matrix weights, not of norms, biases and tables.
        warmup_epochs: Epochs of linear warm-up, before a cosine schedule.
        label_smoothing: Share of the label's weight that is spread over all classes.
        clip_value: Gradients are clipped to ± this value; 0 for no clipping.
        clip_norm: All gradients together are scaled down to this norm; 0 for no clipping.
        optimizer: One of ``OPTIMIZERS``.
        ema_decay: Weight of the old average of the weights at each step; 0 for no average. The average is
            evaluated and saved.
        zero_init_residual: Whether the last BatchNorm scale of residual branches starts at zero.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    warmup_epochs: float
    label_smoothing: float
    clip_value: float
    ema_decay: float = 0.0
    zero_init_residual: bool = False
    clip_norm: float = 0.0
    optimizer: str = "sgd"

    def __post_init__(self) -> None:
        """Raises a ``UserError`` that starts with the field's name if a value is out of range."""
        if self.optimizer not in OPTIMIZERS:
            allowed = ", ".join(OPTIMIZERS)
            raise UserError(f"optimizer is {self.optimizer!r}; allowed: {allowed}")
        for name, (fits, allowed) in _RANGES.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and fits(value)):
                raise UserError(f"{name} is {value}; give {allowed}")
        check_decay(self.ema_decay)

    @property
    def peak(self) -> float:
        """The highest learning rate."""
        return self.learning_rate * self.batch_size / 256

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of ``step`` out of ``steps``."""
        peak = self.peak
        warmup = min(self.warmup_epochs / max(self.epochs, 1), 1.0) * steps
        if step < warmup:
            return peak * (step + 1) / warmup
        return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How weights that were inherited are trained beside new ones.

    Attributes:
        inherited: Names of the inherited parameters.
        rate: Factor on their learning rate.
        freeze_epochs: First epochs in which only the parameters of ``alone`` are trained.
        alone: Names of the parameters that are never frozen, those of the classifier.
    """

    inherited: frozenset[str] = frozenset()
    rate: float = 1.0
    freeze_epochs: int = 0
    alone: frozenset[str] = frozenset()

    def freeze(self, model: nn.Module, *, epoch: int) -> None:
        """Freezes and releases the parameters for an epoch, counted from 0."""
        if self.freeze_epochs:
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(epoch >= self.freeze_epochs or name in self.alone)

    def factor(self, name: str) -> float:
        """The factor on a parameter's learning rate."""
        return self.rate if name in self.inherited else 1.0


ALL_NEW = Tuning()


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Device and precision.

    Attributes:
        device: The device of the network.
        autocast: The lower precision of convolutions and matrix products, or ``None``.
        processes: The processes that compute together.
        compile: Whether networks of a fixed size are compiled. Supernets are not, since each step's subnets
            would be compiled again.
    """

    device: torch.device
    autocast: torch.dtype | None = None
    processes: Processes = ALONE
    compile: bool = False

    @classmethod
    def choose(cls, device: str = "auto", autocast: str = "auto", *, compile: bool = False) -> Compute:
        """Selects the device and the precision, with the joined processes.

        Args:
            device: ``auto``, or an argument of ``torch.device``.
            autocast: ``auto`` (bfloat16 on GPUs with bfloat16 units, else none), ``none``, ``bf16`` or
                ``fp16``.
            compile: Whether networks of a fixed size are compiled.

        Raises:
            UserError: If the device is not available or the precision is unknown.
        """
        name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        try:
            torch.empty(1, device=name)
            torch_device = torch.device(name)
        except (RuntimeError, AssertionError) as error:
            raise UserError(f"device {name!r} cannot be used ({error}); use auto, cpu or cuda") from None
        types = {"none": None, "bf16": torch.bfloat16, "fp16": torch.float16}
        types["auto"] = torch.bfloat16 if _gains_from_bfloat16(torch_device) else None
        if autocast not in types:
            raise UserError(f"autocast is {autocast!r}; allowed: {', '.join(sorted(types))}")
        return cls(
            device=torch_device, autocast=types[autocast], processes=Processes.current(), compile=compile
        )

    def context(self) -> Any:
        """The context of forward passes."""
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.autocast)

    @contextmanager
    def memory_advice(self, batch_size: int) -> Iterator[None]:
        """Replaces an out-of-memory error by advice.

        Raises:
            UserError: If the body runs out of memory.
        """
        try:
            yield
        except RuntimeError as error:
            # The CPU's allocator raises a plain RuntimeError: "... can't allocate memory: you tried ..."
            if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
                raise
            shared = f" in {self.processes.count} processes" if self.processes.count > 1 else ""
            raise UserError(
                f"out of memory on {self.device} with batch_size={batch_size}{shared}; lower batch_size (the "
                "learning rate follows it by itself), the number of random subnets or the resolution"
            ) from None


def _gains_from_bfloat16(device: torch.device) -> bool:
    """Whether training is faster in bfloat16.

    CPUs do not gain, even with AMX: the weight gradient of a 5×5 or 7×7 depthwise convolution takes two to
    seven times as long as in float32, which outweighs the gain of pointwise convolutions
    (``benchmarks/training.py`` measures both).
    """
    return device.type == "cuda" and bool(torch.cuda.is_bf16_supported(including_emulation=False))


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` in a precision for losses: float64 stays, lower ones become float32."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def make_optimizer(
    model: nn.Module, hyper: Hyperparameters, *, tuning: Tuning = ALL_NEW
) -> torch.optim.Optimizer:
    """The optimizer. Norms and biases (one-dimensional parameters) and tables do not decay.

    A group of parameters also has a ``factor`` on the learning rate.
    """
    kinds: dict[tuple[bool, float], list[nn.Parameter]] = {}
    tables = {
        table for module in model.modules() if isinstance(module, Undecayed) for table in module.parameters()
    }
    for name, parameter in model.named_parameters():
        decays = parameter.ndim > 1 and parameter not in tables
        kinds.setdefault((decays, tuning.factor(name)), []).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": parameters, "weight_decay": hyper.weight_decay if decays else 0.0, "factor": factor}
        for (decays, factor), parameters in kinds.items()
    ]
    fused = all(p.device.type in FUSED for p in model.parameters())
    momentum = hyper.momentum
    if hyper.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=0.0, betas=(momentum, _SECOND_BETA), fused=fused)
    optimizer = torch.optim.SGD(groups, lr=0.0, momentum=momentum, nesterov=momentum > 0, fused=fused)
    if fused and momentum:
        # The optimizer would create buffers at the first step, only for the parameters of that step's
        # networks, and its fused step fails when a parameter without a buffer joins later. Zeros give the
        # same first step.
        for parameter in model.parameters():
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer
