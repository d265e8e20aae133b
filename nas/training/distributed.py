"""Training one network in several processes, each with its share of every batch.

Gradients are averaged by one all-reduce per step, after the last subnet's backward pass. That equals
``DistributedDataParallel`` with ``find_unused_parameters`` and ``no_sync`` on all passes but the last, and is
simpler: it needs no wrapper around a model whose forward takes a network, and no search for unused
parameters, and it sends only the gradients of the step's subnets. (DDP would overlap sending with the last
backward pass; here, sending starts after it.)
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
"""How long a process waits for the others."""


@final
@dataclass(frozen=True, kw_only=True)
class Processes:
    """The index of this process and the number of processes. A single process does not communicate.

    Attributes:
        index: From 0. The first process leads: it alone writes files.
        count: The number of processes.
    """

    index: int = 0
    count: int = 1

    @classmethod
    def current(cls) -> Processes:
        """The joined processes, or a single one."""
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
        values = [torch.empty_like(value) for _ in range(self.count)]
        dist.all_gather(values, value)
        return torch.stack(values)

    def leaders(self, number: int) -> int:
        """The leader's ``number``; those of other processes are ignored."""
        if self.count == 1:
            return number
        value = torch.tensor(number, dtype=torch.int64)
        dist.broadcast(value, src=0)
        return int(value)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Runs the body in the leader first, then in the others."""
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
            value = tensor.contiguous()  # copies channels-last tensors only
            dist.broadcast(value, src=0)
            tensor.copy_(value)

    @torch.no_grad()
    def average(self, parameters: Iterable[nn.Parameter], losses: Tensor, *, images: int) -> Tensor:
        """Averages gradients and losses over a step's images in all processes.

        Every process ran the same networks, so the same parameters have gradients. The optimiser skips the
        others everywhere.

        Args:
            parameters: The gradients, means over this process's images, are replaced.
            losses: Means over this process's images (n,).
            images: Number of this process's images, which may differ between processes.

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
        index: The number of this process.
        count: The number of processes.
        local_index: Its number on its machine, and that of its GPU.
        device: The device, as in ``Compute.choose``.
        meeting_point: ``tcp://HOST:PORT`` of the first process; ``None`` reads the environment.

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
        local_index = 0  # Slurm shows each task only its own GPU
    if on_gpu and local_index >= (gpus := torch.cuda.device_count()):
        raise UserError(
            f"process {local_index} of this machine has no GPU of its own: there are {gpus}; start at most "
            f"{gpus} processes a machine, or set compute.torch_device=cpu"
        )
    if on_gpu:
        torch.cuda.set_device(local_index)
    try:
        # Small values, such as random states, are sent from the host's memory.
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
        if not on_gpu:  # NCCL would wait for the others, which wait for this process, and hide the error
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
