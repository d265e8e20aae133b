"""Several processes that train one network together, each on its share of every batch.

Gradients are averaged by one all-reduce a step, after the last subnet's backward pass. That equals
``DistributedDataParallel`` with ``find_unused_parameters`` and ``no_sync`` on all passes but the last, and is
simpler: no wrapper around a model whose forward takes a network, no search for unused parameters, and only
the gradients that the step's subnets have are sent. (Nothing is sent while the backward pass still runs,
which DDP would do during the last of several.)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import final

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nas.errors import UserError
from nas.training.data import Share

TIMEOUT = timedelta(minutes=10)
"""How long a process waits for the others before it gives up."""


@final
@dataclass(frozen=True, kw_only=True)
class Processes:
    """Which of how many this process is; one process alone needs no communication.

    Attributes:
        index: Its number, from 0; the first one leads: it alone writes files.
        count: How many there are.
    """

    index: int = 0
    count: int = 1

    @classmethod
    def current(cls) -> Processes:
        """Those that have been joined, or one alone."""
        if not dist.is_initialized():
            return cls()
        return cls(index=dist.get_rank(), count=dist.get_world_size())

    @property
    def leads(self) -> bool:
        return self.index == 0

    @property
    def share(self) -> Share:
        """This process's part of a batch, or of a set of images."""
        return Share(index=self.index, count=self.count)

    def total(self, value: Tensor) -> Tensor:
        """The sum of all processes' values."""
        if self.count > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value

    def of_all(self, value: Tensor) -> Tensor:
        """Every process's ``value`` (…), stacked (count, …)."""
        if self.count == 1:
            return value[None]
        found = [torch.empty_like(value) for _ in range(self.count)]
        dist.all_gather(found, value)
        return torch.stack(found)

    def leaders(self, number: int) -> int:
        """The leader's ``number``; the others' is ignored."""
        if self.count == 1:
            return number
        told = torch.tensor(number, dtype=torch.int64)
        dist.broadcast(told, src=0)
        return int(told)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Lets the others into the body when the leader has left it."""
        if not self.leads:
            self.leaders(0)
        yield
        if self.leads:
            self.leaders(0)

    @torch.no_grad()
    def copy_leaders(self, tensors: Iterable[Tensor]) -> None:
        """Replaces the tensors' values by the leader's."""
        if self.count == 1:
            return
        for tensor in tensors:
            value = tensor.contiguous()  # a channels-last tensor is copied, any other is itself
            dist.broadcast(value, src=0)
            tensor.copy_(value)

    @torch.no_grad()
    def average(self, parameters: Iterable[nn.Parameter], losses: Tensor, *, images: int) -> Tensor:
        """Averages gradients and losses over all images of a step, wherever they are.

        The same networks ran in every process, so the same parameters have a gradient in each; those without
        one keep none and are left alone by the optimiser everywhere.

        Args:
            parameters: Their gradients are means over this process's images; they are replaced.
            losses: Means over this process's images (n,).
            images: How many they are. Processes may have different numbers.

        Returns:
            The losses (n,) as means over all images.
        """
        if self.count == 1:
            return losses
        gradients = [p.grad for p in parameters if p.grad is not None]
        parts = [*(g.reshape(-1) for g in gradients), losses.to(gradients[0].dtype)]
        weight = torch.full((1,), images, dtype=gradients[0].dtype, device=gradients[0].device)
        flat = torch.cat([torch.cat(parts) * weight, weight])
        dist.all_reduce(flat)
        *averaged, means = torch.split(flat[:-1] / flat[-1], [part.numel() for part in parts])
        for gradient, mean in zip(gradients, averaged, strict=True):
            gradient.copy_(mean.view(gradient.shape))
        return means


@contextmanager
def joined(
    index: int, *, count: int, local_index: int, device: str, meeting_point: str | None = None
) -> Iterator[Processes]:
    """Joins the other processes of a training while the body runs.

    Args:
        index: This process's number.
        count: How many there are.
        local_index: Its number among those of its machine; it gets the GPU of that number.
        device: Where it trains, as in ``Compute.choose``.
        meeting_point: ``tcp://HOST:PORT`` of the first process; ``None`` where the environment says it.

    Raises:
        UserError: If this machine has fewer GPUs than processes, or the others cannot be reached.
    """
    on_gpu = torch.cuda.is_available() and not device.startswith("cpu")
    if on_gpu and count > 1 and torch.device(device.replace("auto", "cuda")).index is not None:
        raise UserError(
            f"compute.torch_device={device} names one GPU for {count} processes; set compute.torch_device="
            "cuda, and each takes its own"
        )
    if on_gpu and os.environ.get("SLURM_GPUS_PER_TASK") == "1":
        local_index = 0  # Slurm shows each task its own GPU alone
    if on_gpu and local_index >= (gpus := torch.cuda.device_count()):
        raise UserError(
            f"process {local_index} of this machine has no GPU of its own: there are {gpus}; start at most "
            f"{gpus} processes a machine, or set compute.torch_device=cpu"
        )
    if on_gpu:
        torch.cuda.set_device(local_index)
    try:
        # Small things, such as random states, are told in the host's memory.
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
            init_method=meeting_point,
            rank=index,
            world_size=count,
            timeout=TIMEOUT,
        )
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"the {count} processes of this training cannot reach each other ({error}); start them all with "
            "torchrun, or set MASTER_ADDR and MASTER_PORT to a free port of the first machine"
        ) from None
    try:
        yield Processes.current()
    except BaseException:
        if not on_gpu:  # NCCL would wait for the others, who wait for this process, and nobody would see why
            dist.destroy_process_group()
        raise
    dist.destroy_process_group()


def check_batch_size(batch_size: int, processes: Processes) -> None:
    """Raises a ``UserError`` if a step has fewer images than there are processes."""
    if batch_size < processes.count:
        raise UserError(
            f"batch_size={batch_size} leaves some of {processes.count} processes without an image; it counts "
            f"the images of all processes together: give at least {processes.count}"
        )
