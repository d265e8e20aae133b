"""The cost of training a supernet: ``python benchmarks/training.py``. One thread, under 3 minutes.

Goals: a sandwich step costs at most 1.05 times the training steps of its four subnets as static networks; a
step of a subnet of ``ofa_mobilenet_v3`` at 64 pixels, batch 32, is at least 1.4 times faster than that of the
same subnet in a plain elastic implementation below, in NCHW and float32.

Times are CPU seconds. Compared steps run in turns, in the same rounds; a ratio is the median over rounds,
with its range. A step is clearing the gradients, forward, backward, clipping and the optimiser, on random
images. The first round is a warm-up and does not count.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.hardware import detect
from nas.network import NetworkSpec
from nas.nn import StaticNetwork, Supernet
from nas.nn.static import module_name
from nas.provenance import versions
from nas.space import Architecture, SearchSpace
from nas.training.data import resize
from nas.training.optimization import Compute, Hyperparameters, make_optimizer
from nas.training.recipes import Trainee, make_recipe

CLASSES = 10
HYPER = Hyperparameters(
    epochs=1,
    batch_size=64,
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=1e-4,
    warmup_epochs=0,
    label_smoothing=0.1,
    clip_value=1.0,
)
Backward = Callable[[Tensor, Tensor], object]


def main() -> None:
    """Prints all figures."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    machine = ", ".join(f"{name} {value}" for name, value in detect().items())
    print(f"{machine}; Python {versions()['python']}, PyTorch {torch.__version__}; one thread, CPU seconds")
    sandwich(SearchSpace.load("tiny_32"), batch=64, rounds=9)
    plain(SearchSpace.load("ofa_mobilenet_v3"), batch=32, resolution=64, seconds=25)


def trainer(model: nn.Module, backward: Backward) -> Callable[[Tensor, Tensor], float]:
    """A complete training step of ``model``, which returns its CPU seconds."""
    optimizer = make_optimizer(model, HYPER)
    for group in optimizer.param_groups:
        group["lr"] = 1e-3
    model.train()

    def step(x: Tensor, y: Tensor) -> float:
        start = time.process_time()
        optimizer.zero_grad(set_to_none=True)
        backward(x, y)
        nn.utils.clip_grad_value_([p for p in model.parameters() if p.grad is not None], HYPER.clip_value)
        optimizer.step()
        return time.process_time() - start

    return step


def images(batch: int, resolution: int) -> tuple[Tensor, Tensor]:
    """Random images (N, C, H, W), channels last in memory, and labels."""
    x = torch.randn(batch, 3, resolution, resolution).contiguous(memory_format=torch.channels_last)
    return x, torch.randint(CLASSES, (batch,))


def ratio(values: Sequence[float]) -> str:
    """The median and the range."""
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


# The sandwich rule against static networks ---------------------------------------------------------------


def sandwich(space: SearchSpace, *, batch: int, rounds: int) -> None:
    """A step of the sandwich rule against those of its four subnets as static networks."""
    compute, rng = Compute.choose("cpu"), np.random.default_rng(0)
    supernet = Supernet(space, classes=CLASSES)
    supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainee = Trainee(supernet=supernet, compute=compute, rng=rng, label_smoothing=HYPER.label_smoothing)
    rule = make_recipe("sandwich").build(trainee)
    ran: list[str] = []

    def backward(x: Tensor, y: Tensor) -> None:
        ran[:] = [done.network for done in rule.backward(x, y, progress=0.5).passes]

    step = trainer(supernet, backward)
    x, y = images(batch, max(space.resolutions))
    ratios, whole = [], []
    alone: dict[str, list[float]] = {"largest": [], "smallest": []}
    for number in range(rounds + 1):
        archs = [space.largest(), *upcoming(space, rng, 2), space.smallest()]
        networks = [space.network(arch, classes=CLASSES) for arch in archs]
        steps = [static(network, compute, taught=i > 0) for i, network in enumerate(networks)]
        for own in steps:
            own(x, y)
        seconds = step(x, y)
        assert ran == [str(arch) for arch in archs], "these are the networks that the step has trained"
        parts = [own(x, y) for own in steps]
        if number:  # the first round warms up
            ratios.append(seconds / sum(parts))
            whole.append(seconds)
            alone["largest"].append(parts[0])
            alone["smallest"].append(parts[-1])
    print(f"\n{space.name}, batch {batch}, {precision(compute)}, {rounds} rounds")
    print(f"  sandwich step / its four static steps   {ratio(ratios)}   goal: at most 1.05")
    for name, values in {"sandwich": whole, **alone}.items():
        print(f"  images/s, {name:<29} {batch / statistics.median(values):.0f}")


def upcoming(space: SearchSpace, rng: np.random.Generator, count: int) -> Iterator[Architecture]:
    """The next architectures of ``rng``."""
    copy = np.random.default_rng()
    copy.bit_generator.state = rng.bit_generator.state
    return (space.sample(copy) for _ in range(count))


def static(network: NetworkSpec, compute: Compute, *, taught: bool) -> Callable[[Tensor, Tensor], float]:
    """The training step of a network alone; ``taught`` by soft labels as in the sandwich rule."""
    model = StaticNetwork(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def backward(x: Tensor, y: Tensor) -> None:
        target = torch.full((len(x), CLASSES), 1 / CLASSES) if taught else y
        with compute.context():
            logits = model(resize(x, network.resolution))
        F.cross_entropy(logits.float(), target, label_smoothing=0.0 if taught else 0.1).backward()

    return trainer(model, backward)


def precision(compute: Compute) -> str:
    """The precision of training."""
    return "float32" if compute.autocast is None else str(compute.autocast).removeprefix("torch.")


# Our supernet against a plain elastic implementation -----------------------------------------------------


class PlainConv(nn.Module):
    """A convolution with BatchNorm, with weights sliced in each forward pass, in NCHW."""

    def __init__(self, channels: int, out_channels: int, kernel: int, *, norm: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, channels, kernel, kernel))
        self.bias = None if norm else nn.Parameter(torch.zeros(out_channels))
        self.norm = nn.BatchNorm2d(out_channels) if norm else None
        nn.init.kaiming_normal_(self.weight)

    def forward(
        self, x: Tensor, out: int, kernel: int = 1, *, stride: int = 1, depthwise: bool = False
    ) -> Tensor:
        """(N, C, H, W) to (N, out, H', W')."""
        channels, start = x.shape[1], (self.weight.shape[2] - kernel) // 2
        centre = slice(start, start + kernel)
        weight = self.weight[:out, : 1 if depthwise else channels, centre, centre].contiguous()
        bias = None if self.bias is None else self.bias[:out]
        x = F.conv2d(x, weight, bias, stride, kernel // 2, groups=channels if depthwise else 1)
        return x if self.norm is None else self._normalized(x, self.norm)

    @staticmethod
    def _normalized(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
        n = x.shape[1]
        mean, var = norm.running_mean[:n], norm.running_var[:n]  # type: ignore[index]
        return F.batch_norm(x, mean, var, norm.weight[:n], norm.bias[:n], norm.training, 0.1, norm.eps)


class PlainBlock(nn.Module):
    """An elastic inverted residual block."""

    def __init__(self, largest: Any) -> None:
        super().__init__()
        wide, narrow = largest.expanded_channels, largest.squeeze_channels
        self.expand = PlainConv(largest.in_channels, wide, 1) if wide != largest.in_channels else None
        self.depthwise = PlainConv(1, wide, largest.kernel)
        self.squeeze = PlainConv(wide, narrow, 1, norm=False) if narrow else None
        self.excite = PlainConv(narrow, wide, 1, norm=False) if narrow else None
        self.project = PlainConv(wide, largest.out_channels, 1)

    def forward(self, x: Tensor, spec: Any) -> Tensor:
        """Runs a block with ``spec``'s kernel and channels on (N, C, H, W)."""
        act = {"relu": F.relu, "hard_swish": F.hardswish}[spec.activation]
        wide, y = spec.expanded_channels, x
        if self.expand is not None:
            y = act(self.expand(y, wide))
        y = act(self.depthwise(y, wide, spec.kernel, stride=spec.stride, depthwise=True))
        if self.squeeze is not None and self.excite is not None:
            gate = F.relu(self.squeeze(y.mean((2, 3), keepdim=True), spec.squeeze_channels))
            y = y * F.hardsigmoid(self.excite(gate, wide))
        y = self.project(y, spec.out_channels)
        return x + y if spec.shortcut == "identity" else y


class PlainElastic(nn.Module):
    """The Once-for-All MobileNetV3 supernet as in published code: sliced weights in NCHW."""

    def __init__(self, largest: NetworkSpec) -> None:
        super().__init__()
        specs: Sequence[Any] = largest.blocks
        self.stem = PlainConv(specs[0].in_channels, specs[0].out_channels, specs[0].kernel)
        self.blocks = nn.ModuleDict(
            {module_name(place): PlainBlock(spec) for place, spec in largest.placed_blocks if is_plain(spec)}
        )
        self.head = PlainConv(specs[-4].in_channels, specs[-4].out_channels, 1)
        self.feature = nn.Linear(specs[-2].in_channels, specs[-2].out_channels, bias=False)
        self.classifier = nn.Linear(specs[-1].in_channels, specs[-1].out_channels)

    def forward(self, x: Tensor, network: NetworkSpec) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        stem: Any = network.blocks[0]
        x = F.hardswish(self.stem(x, stem.out_channels, stem.kernel, stride=stem.stride))
        for place, spec in network.placed_blocks:
            if is_plain(spec):
                x = self.blocks[module_name(place)](x, spec)
        x = F.hardswish(self.head(x, self.feature.in_features))
        x = F.hardswish(self.feature(x.mean((2, 3))))
        return self.classifier(x)  # type: ignore[no-any-return]


def is_plain(spec: Any) -> bool:
    """Whether a block is an inverted residual. Others are written out."""
    return bool(spec.KIND == "inverted_residual")


def plain(space: SearchSpace, *, batch: int, resolution: int, seconds: float) -> None:
    """Compares training steps of subnets in our supernet and the plain one, for ``seconds`` each."""
    rng = np.random.default_rng(0)
    archs = {"largest": space.largest(), "smallest": space.smallest(), "random": space.sample(rng)}
    networks = {
        name: dataclasses.replace(space.network(arch, classes=CLASSES), resolution=resolution)
        for name, arch in archs.items()
    }
    ours = Supernet(space, classes=CLASSES)
    other = PlainElastic(networks["largest"])
    check(ours, other, list(networks.values()))
    ours.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    computes = [Compute.choose("cpu", kind) for kind in ("none", "bf16")]
    print(f"\n{space.name}, {resolution} pixels, batch {batch}; plain / ours, goal: at least 1.4")
    for name, network in networks.items():
        against_plain(name, network, ours, other, computes, batch=batch, seconds=seconds)


def against_plain(
    name: str,
    network: NetworkSpec,
    ours: nn.Module,
    other: nn.Module,
    computes: Sequence[Compute],
    *,
    batch: int,
    seconds: float,
) -> None:
    """Prints the speed-up of one subnet over the plain implementation, in each precision."""
    x, y = images(batch, network.resolution)
    steps = [trainer(ours, subnet(ours, network, compute)) for compute in computes]
    baseline = trainer(other, subnet(other, network, Compute.choose("cpu", "none")))
    rounds: list[list[float]] = []
    while len(rounds) < 4 or sum(map(sum, rounds)) < seconds:
        rounds.append([baseline(x.contiguous(), y), *(step(x, y) for step in steps)])
    del rounds[0]  # the warm-up
    for column, compute in enumerate(computes, 1):
        ratios = [row[0] / row[column] for row in rounds]
        speed = batch / statistics.median(row[column] for row in rounds)
        print(
            f"  {name:<9} {precision(compute):<9} {ratio(ratios)}, {len(rounds)} rounds   "
            f"{speed:.0f} images/s, plain {batch / statistics.median(row[0] for row in rounds):.0f}"
        )


def subnet(model: nn.Module, network: NetworkSpec, compute: Compute) -> Backward:
    """Forward and backward of one subnet."""

    def backward(x: Tensor, y: Tensor) -> None:
        with compute.context():
            logits = model(x, network)
        F.cross_entropy(logits.float(), y).backward()

    return backward


@torch.no_grad()
def check(ours: Supernet, other: PlainElastic, networks: Sequence[NetworkSpec]) -> None:
    """Copies our weights to the plain implementation and checks that the outputs are equal."""
    ours.eval()
    other.eval()
    for target, source in zip(other.parameters(), ours.parameters(), strict=True):
        if source.ndim == 1:
            source.uniform_(0.5, 1.5)
        target.copy_(source.reshape(target.shape))
    for target, source in zip(other.buffers(), ours.buffers(), strict=True):
        if source.ndim == 1:
            target.copy_(source.uniform_(0.5, 1.5))
    x = torch.randn(4, 3, networks[0].resolution, networks[0].resolution)
    for network in networks:
        expected, got = ours(x, network), other(x, network)
        error = float((expected - got).abs().max() / expected.abs().max())
        assert error < 1e-4, f"the two implementations differ by {error:.1e} of the largest output"


if __name__ == "__main__":
    main()
