"""Compiling the networks that are trained alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx

from nas.nn import StaticNetwork
from nas.space import SearchSpace
from nas.training.final import compiled


def test_every_network_is_compiled_as_one_graph_for_its_own_size() -> None:
    space, graphs = SearchSpace.load("tiny_24"), list[list[Tensor]]()

    def backend(graph: fx.GraphModule, inputs: list[Tensor]) -> Callable[..., object]:
        graphs.append(inputs)
        return graph.forward

    archs = [space.smallest(), space.largest()]
    with torch.no_grad(), torch._dynamo.config.patch(recompile_limit=1):
        for arch in archs:  # more than are compiled of one class, as long as none is forgotten
            network = space.network(arch, classes=3)
            model = StaticNetwork(network).eval()
            x = torch.randn(2, network.input_shape.channels, network.resolution, network.resolution)
            torch.testing.assert_close(compiled(model, backend=backend)(x), model(x))
    assert len(graphs) == len(archs)
    assert not any(isinstance(size, torch.SymInt) for inputs in graphs for x in inputs for size in x.shape)
