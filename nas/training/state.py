"""The state of a training: its content for a checkpoint, restoring it, and its speed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from nas.training.checkpoint import Checkpoint
from nas.training.distributed import Processes
from nas.training.ema import Ema

Row = dict[str, float]
"""One epoch of the history."""

METER_S = 1.0
"""Seconds over which the speed is averaged."""


@final
@dataclass(frozen=True, kw_only=True)
class Randomness:
    """The random generators of a training, beside PyTorch's own (dropout).

    Attributes:
        images: Shuffles and augments.
        networks: Draws architectures, the same ones in all processes.
    """

    images: torch.Generator
    networks: np.random.Generator

    @classmethod
    def of(cls, seed: int) -> Randomness:
        return cls(images=torch.Generator().manual_seed(seed), networks=np.random.default_rng(seed))


@final
@dataclass(kw_only=True)
class State:
    """The state of a running training.

    Attributes:
        model: The model.
        optimizer: The optimizer with its averages of gradients.
        ema: The average of the weights, if any.
        randomness: The random generators.
        device: The device of the model.
        epoch: The epoch, from 0.
        position: Completed batches of the epoch.
        epoch_images: State of ``randomness.images`` at the start of the epoch, which determines its order.
        totals: Sums of the epoch's losses by name, on the device.
        counts: Number of steps with each loss, by name.
        limit: The loss that counts as exploded; ``None`` before the first check.
        best: The best validation accuracy; -1 before the first.
        best_weights: The weights and statistics of that epoch, by name; empty unless training may stop early.
        stale: Validations since then.
        history: One row for each completed epoch.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    ema: Ema | None
    randomness: Randomness
    device: torch.device
    epoch: int = 0
    position: int = 0
    epoch_images: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.uint8))
    totals: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    limit: float | None = None
    best: float = -1.0
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    stale: int = 0
    history: list[Row] = field(default_factory=list)

    def begin_epoch(self) -> None:
        """Clears the losses, and saves the generator state that determines the order of the epoch."""
        self.epoch_images = self.randomness.images.get_state()
        self.totals, self.counts, self.position = {}, {}, 0

    def count_losses(self, losses: dict[str, Tensor]) -> None:
        """Adds a step's losses."""
        for name, loss in losses.items():
            self.totals[name] = self.totals[name] + loss if name in self.totals else loss.clone()
            self.counts[name] = self.counts.get(name, 0) + 1

    def mean_losses(self) -> Row:
        """The mean losses of the epoch so far. This waits for the device."""
        return {name: float(total) / self.counts[name] for name, total in self.totals.items()}

    def snapshot(self, step: int, processes: Processes) -> Checkpoint:
        """A copy of the state in the host's memory. All processes call it, since each has a random state."""
        tensors = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{key}/{name}"] = value
        tensors |= {f"ema/{name}": value for name, value in (self.ema.average if self.ema else {}).items()}
        tensors |= {f"total/{name}": total for name, total in self.totals.items()}
        tensors |= {f"best/{name}": value for name, value in self.best_weights.items()}
        tensors["random/images"] = self.epoch_images
        tensors["random/host"] = processes.of_all(torch.get_rng_state())
        if self.device.type == "cuda":
            tensors["random/cuda"] = processes.of_all(torch.cuda.get_rng_state(self.device))
        values = {
            "epoch": self.epoch,
            "position": self.position,
            "networks": self.randomness.networks.bit_generator.state,
            "counts": self.counts,
            "limit": self.limit,
            "best": self.best,
            "stale": self.stale,
            "history": self.history,
        }
        copies = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
        return Checkpoint(step=step, tensors=copies, values=values)

    @torch.no_grad()
    def restore(self, saved: Checkpoint, processes: Processes) -> None:
        """Restores the state, bit for bit."""
        self.model.load_state_dict(_below("model/", saved))
        parameters = dict(self.model.named_parameters())
        for path, value in _below("optimizer/", saved).items():
            key, _, name = path.partition("/")
            parameter = parameters[name]
            alike = value.shape == parameter.shape  # not so AdamW's count of steps
            self.optimizer.state[parameter][key] = (
                torch.empty_like(parameter).copy_(value) if alike else value.to(parameter.device)
            )
        for name, value in _below("ema/", saved).items():
            assert self.ema is not None
            self.ema.average[name].copy_(value)
        self.totals = {name: value.to(self.device) for name, value in _below("total/", saved).items()}
        values: dict[str, Any] = dict(saved.values)
        self.epoch, self.position, self.counts = values["epoch"], values["position"], values["counts"]
        self.limit, self.best, self.history = values["limit"], values["best"], values["history"]
        self.stale = values.get("stale", 0)  # checkpoints of earlier versions have none
        self.best_weights = {name: value.to(self.device) for name, value in _below("best/", saved).items()}
        self.randomness.networks.bit_generator.state = values["networks"]
        self.epoch_images = saved.tensors["random/images"]
        self.randomness.images.set_state(self.epoch_images)
        self._restore_random_states(saved, processes.index)

    def _restore_random_states(self, saved: Checkpoint, index: int) -> None:
        """Restores PyTorch's generators. Processes and GPUs without a saved state keep their seeds."""
        host, cuda = saved.tensors["random/host"], saved.tensors.get("random/cuda")
        if index < len(host):
            torch.set_rng_state(host[index].clone())  # PyTorch reads a view from the start of its storage
        if cuda is not None and self.device.type == "cuda" and index < len(cuda):
            torch.cuda.set_rng_state(cuda[index].clone(), self.device)


def _below(prefix: str, saved: Checkpoint) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor for name, tensor in saved.tensors.items() if name.startswith(prefix)
    }


@final
class Meter:
    """Measures images per second."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._images = self._of_late = 0
        self._start = self._since = time.perf_counter()
        self._speed: float | None = None

    def count(self, images: int) -> float | None:
        """Counts the images of one process; returns the recent speed."""
        self._images += images * self._processes
        self._of_late += images * self._processes
        if (passed := time.perf_counter() - self._since) >= METER_S:
            self._speed = self._of_late / passed
            self._of_late, self._since = 0, time.perf_counter()
        return self._speed

    @property
    def mean(self) -> float:
        """The mean speed since the start."""
        return self._images / (time.perf_counter() - self._start)
