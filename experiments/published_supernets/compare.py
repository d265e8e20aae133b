"""Compares Once-for-All's supernets, run by their authors' code, with the same weights imported here.

    git clone https://github.com/mit-han-lab/once-for-all
    python experiments/published_supernets/compare.py once-for-all published.csv

For each supernet, the authors' code gets weights of a seed, collects BatchNorm statistics from random
images, and saves everything. The file is imported. Sampled subnets then run in both, with the statistics of
the file, on the same images. ``--record FILE`` writes what the tests compare: names, shapes, and a few
outputs of the authors' code in double precision, with statistics of the seed.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from seeded import seeded_images, seeded_tensors
from torch import Tensor, nn

from nas.network import NetworkSpec
from nas.nn import Supernet
from nas.pretrained import find_start
from nas.space import Architecture, SearchSpace

SEED = 0
CLASSES = 1000
IMAGES = 2
RECORDED_PIXELS = 64
MOBILE = {"dropout_rate": 0, "ks_list": [3, 5, 7], "expand_ratio_list": [3, 4, 6], "depth_list": [2, 3, 4]}
RESNET = {"dropout_rate": 0, "depth_list": [0, 1, 2], "expand_ratio_list": [0.2, 0.25, 0.35]}
STAGE_BLOCKS = (4, 4, 6, 4)  # of ResNet-50's stages, at most
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Published:
    """A published supernet.

    Attributes:
        file: The name under which its authors published it.
        space: Our space.
        build: Builds it, from the authors' module of supernets.
        choose: From a network of ours to the arguments of the authors' ``set_active_subnet``.
    """

    file: str
    space: str
    build: Callable[[Any], nn.Module]
    choose: Callable[[NetworkSpec], dict[str, Any]]


def mobile(network: NetworkSpec) -> dict[str, Any]:
    """Kernels, expansions and depths of a MobileNet."""
    padded = [[*stage, *stage[:1] * (4 - len(stage))] for stage in network.stages if len(stage) > 1]
    padded += [list(stage) for stage in network.stages if len(stage) == 1]
    blocks: list[Any] = [block for stage in padded for block in stage]
    return {
        "ks": [block.kernel for block in blocks],
        "e": [block.expand for block in blocks],
        "d": [len(stage) for stage in network.stages],
    }


def resnet(network: NetworkSpec) -> dict[str, Any]:
    """Depths, expansions and positions of the widths of a ResNet; a width of its stem has two."""
    first, _, _, *stages = network.stages
    sizes = zip(stages, STAGE_BLOCKS, strict=True)
    padded: list[Any] = [
        block for stage, most in sizes for block in (*stage, *stage[:1] * (most - len(stage)))
    ]
    space = SearchSpace.load("ofa_resnet50")
    positions = [
        choices.choices("width").index(stage[0].width)  # type: ignore[attr-defined]
        for choices, stage in zip(space.stages, network.stages, strict=True)
        if "width" in choices.shared
    ]
    stem = 2 if positions[0] else 0
    return {
        "d": [2 if len(first) == 2 else 0, *(len(s) - b for s, b in zip(stages, (2, 2, 4, 2), strict=True))],
        "e": [block.expand for block in padded],
        "w": [stem, *positions[1:]],
    }


SUPERNETS = (
    Published(
        "ofa_mbv3_d234_e346_k357_w1.0",
        "ofa_mobilenet_v3",
        lambda ofa: ofa.OFAMobileNetV3(width_mult=1.0, **MOBILE),
        mobile,
    ),
    Published(
        "ofa_mbv3_d234_e346_k357_w1.2",
        "ofa_mobilenet_v3_w12",
        lambda ofa: ofa.OFAMobileNetV3(width_mult=1.2, **MOBILE),
        mobile,
    ),
    Published(
        "ofa_proxyless_d234_e346_k357_w1.3",
        "ofa_proxyless_w13",
        lambda ofa: ofa.OFAProxylessNASNets(width_mult=1.3, **MOBILE),
        mobile,
    ),
    Published(
        "ofa_supernet_resnet50",
        "ofa_resnet50",
        lambda ofa: ofa.OFAResNets(width_mult_list=[0.65, 0.8, 1.0], **RESNET),
        resnet,
    ),
)


def fill(net: nn.Module) -> None:
    """Gives a supernet of the authors the tensors of the seed."""
    shapes = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    tensors = {name: torch.from_numpy(value) for name, value in seeded_tensors(shapes, seed=SEED).items()}
    nn.Module.load_state_dict(net, {**net.state_dict(), **tensors})


@torch.no_grad()
def settle(net: nn.Module, published: Published, archs: Sequence[Architecture]) -> None:
    """Collects BatchNorm statistics of some subnets: the last means, and the largest variances.

    No feature map then grows from layer to layer, which would multiply the rounding errors too.
    """
    space, x = SearchSpace.load(published.space), torch.from_numpy(seeded_images(8, 128, seed=SEED + 1))
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    largest = [torch.zeros_like(norm.running_var) for norm in norms]  # type: ignore[arg-type]
    net.train()
    for arch in archs:
        for norm in norms:
            norm.momentum = 1
        net.set_active_subnet(**published.choose(space.network(arch)))  # type: ignore[operator]
        net(x)
        largest = [torch.maximum(a, norm.running_var) for a, norm in zip(largest, norms, strict=True)]  # type: ignore[arg-type]
    for variance, norm in zip(largest, norms, strict=True):
        norm.running_var.copy_(variance)  # type: ignore[union-attr]
    net.eval()


def imported(net: nn.Module, space: SearchSpace, folder: Path) -> Supernet:
    """The supernet as `nas train` imports it from a file of the authors' code."""
    path = folder / "published.pth"
    torch.save({"state_dict": net.state_dict()}, path)
    start = find_start(str(path))
    supernet = Supernet(space, classes=CLASSES, kernel_transform=True)
    inherited = start.apply(supernet, classes=start.classes)
    assert inherited.share == 1, "every weight is inherited"
    return supernet.eval()


def sample(space: SearchSpace, count: int) -> list[Architecture]:
    """The smallest network, the largest, and random ones."""
    rng = np.random.default_rng(SEED)
    return [space.smallest(), space.largest(), *(space.sample(rng) for _ in range(count - 2))]


@torch.no_grad()
def difference(net: nn.Module, supernet: Supernet, network: NetworkSpec, x: Tensor) -> str:
    """The largest difference of a network's logits in both, relative to the largest logit."""
    theirs, ours = net(x), supernet(x, network)
    return f"{(theirs - ours).abs().max() / theirs.abs().max():.2e}"


def compact(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Names and shapes, with one entry for the five tensors of a BatchNorm."""
    norms = {name.removesuffix(".running_mean") for name in state if name.endswith(".running_mean")}
    others = {name: list(v.shape) for name, v in state.items() if name.rpartition(".")[0] not in norms}
    return {**others, **{norm: state[f"{norm}.weight"].numel() for norm in norms}}


@torch.no_grad()
def recorded(net: nn.Module, published: Published, archs: Sequence[Architecture]) -> dict[str, Any]:
    """Names, shapes, and the first logits of some subnets in double precision."""
    space, networks = SearchSpace.load(published.space), []
    x = torch.from_numpy(seeded_images(IMAGES, RECORDED_PIXELS, seed=SEED))
    for arch in archs:
        net.set_active_subnet(**published.choose(space.network(arch)))  # type: ignore[operator]
        logits = net.double()(x.double())[:, :4]
        networks.append({"code": str(arch), "logits": [[float(f"{v:.9g}") for v in row] for row in logits]})
    net.float()
    return {"space": published.space, "tensors": compact(net.state_dict()), "networks": networks}


def compare(
    published: Published, ofa: Any, *, count: int, resolution: int
) -> tuple[list[Any], dict[str, Any]]:
    """Rows (supernet, network, differences in single and double precision), and the record for the tests."""
    space = SearchSpace.load(published.space)
    archs = sample(space, count)
    x = torch.from_numpy(seeded_images(IMAGES, resolution, seed=SEED))
    net = published.build(ofa).eval()
    fill(net)
    record = recorded(net, published, archs[:3])
    settle(net, published, [archs[1], archs[0], *archs[2:12]])
    with tempfile.TemporaryDirectory() as folder:
        supernet = imported(net, space, Path(folder))
    rows = list[Any]()
    for arch in archs:
        network = space.network(arch)
        net.set_active_subnet(**published.choose(network))  # type: ignore[operator]
        single = difference(net.float(), supernet.float(), network, x)
        double = difference(net.double(), supernet.double(), network, x.double())
        rows.append((published.file, str(arch), single, double))
    return rows, {published.file: record}


def main(arguments: Sequence[str]) -> None:
    """Compares all supernets."""
    parser = argparse.ArgumentParser()
    parser.add_argument("code", type=Path, help="a copy of the authors' repository")
    parser.add_argument("results", type=Path, help="the CSV file to write")
    parser.add_argument("--networks", type=int, default=50)
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(options.code))
    from ofa.imagenet_classification.elastic_nn import networks as ofa

    rows, record = list[Any](), dict[str, Any]()
    for published in SUPERNETS:
        begin = time.process_time()
        found, facts = compare(published, ofa, count=options.networks, resolution=options.resolution)
        rows, record = [*rows, *found], record | facts
        single, double = (max(float(row[column]) for row in found) for column in (2, 3))
        print(f"{published.file}: {len(found)} networks, largest relative difference {single:.1e}", end="")
        print(f" in single and {double:.1e} in double precision", end="")
        print(f" ({time.process_time() - begin:.0f} s of CPU time)", flush=True)
    with options.results.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("supernet", "network", "single_precision", "double_precision"), *rows])
    if options.record:
        value = {"seed": SEED, "resolution": RECORDED_PIXELS, "supernets": record}
        options.record.write_text(json.dumps(value) + "\n", encoding="utf-8")
    assert all(float(row[2]) < TOLERANCE for row in rows), f"a difference is above {TOLERANCE}"


if __name__ == "__main__":
    main(sys.argv[1:])
