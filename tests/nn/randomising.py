"""Networks whose outputs show every layer: fresh ones give logits near zero, which agree with anything."""

from __future__ import annotations

import torch
from torch import nn

from nas.nn.layers import Linear, Scale
from nas.nn.token_layers import Table

TABLES = ("class_token", "pos_embedding", "relative_position_bias_table")


@torch.no_grad()
def randomise(network: nn.Module) -> None:
    """Random statistics, BN scales and layer scales, so that every layer shows in the output."""
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
            module.weight.uniform_(0.5, 1.5)
            module.bias.uniform_(-0.3, 0.3)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.01, 1.5)
        if isinstance(module, Linear) and module.norm is not None:
            module.norm.running_var.uniform_(0.5, 1.5)  # else single channels decide who attends to whom
        if isinstance(module, nn.Linear) and not module.weight.any():  # ViT's classifier
            module.weight.normal_(0, 0.05)
        for name, parameter in module.named_parameters(recurse=False):
            if name == "layer_scale" or isinstance(module, Scale):
                parameter.uniform_(0.1, 0.5)
            if name in TABLES or isinstance(module, Table):
                parameter.normal_(0, 0.5)


@torch.no_grad()
def tame(network: nn.Module, images: torch.Tensor) -> None:
    """Moves and scales what every BatchNorm gives, so that images differ to the end of a deep network."""

    def scale(norm: nn.BatchNorm2d, _: object, output: torch.Tensor) -> torch.Tensor:
        centred = output - 0.9 * output.mean((0, 2, 3), keepdim=True)
        size = centred.std()
        norm.bias -= 0.9 * output.mean((0, 2, 3))
        norm.weight /= size
        norm.bias /= size
        return centred / size

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    handles = [norm.register_forward_hook(scale) for norm in norms]
    network.eval()(images)
    for handle in handles:
        handle.remove()
