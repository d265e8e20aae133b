"""Single-path training (Guo et al. 2020, "Single Path One-Shot NAS with Uniform Sampling", section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from nas.nn import Supernet
from nas.training.data import resize
from nas.training.optimization import Compute, Losses


@dataclass(frozen=True, kw_only=True)
class SinglePath:
    """One training step: one network, drawn uniformly, learns from the labels.

    Attributes:
        supernet: What is trained.
        compute: Where and how precisely.
        rng: Draws the network.
        label_smoothing: For the loss.
    """

    supernet: Supernet
    compute: Compute
    rng: np.random.Generator
    label_smoothing: float

    def backward(self, x: Tensor, y: Tensor) -> Losses:
        """Adds the gradients of images (N, C, H, W) with labels (N,); returns the detached loss."""
        space = self.supernet.space
        network = space.network(space.sample(self.rng), classes=self.supernet.classes)
        with self.compute.context():
            logits = self.supernet(resize(x, network.resolution), network)
        loss = F.cross_entropy(logits.float(), y, label_smoothing=self.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss_random": loss.detach()}
