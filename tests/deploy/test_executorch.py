"""ExecuTorch's runtime reads a program's bytes as long as it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nas.blocks import make_settings
from nas.deploy import write_artefacts
from nas.deploy.formats import find_format
from nas.network import NetworkSpec
from nas.nn import StaticNetwork
from nas.training.data import Normalization

NETWORK = NetworkSpec(
    resolution=8,
    input_channels=1,
    classes=10,
    stem=(make_settings("conv", {"width": 64}),),
    stages=((make_settings("conv", {"width": 512, "stride": 2}),),),
    head=(make_settings("pool", {}),),
)


@pytest.mark.long  # the converter's imports take 10 s
def test_a_large_program_runs_until_it_is_closed(
    tmp_path: Path,
    randomise: Callable[..., StaticNetwork],
    classes: tuple[str, ...],
    normalize: Normalization,
) -> None:
    """The system takes a large block of memory back as soon as it is free; a small one stays readable."""
    kind = find_format("executorch")
    if missing := kind.missing():
        pytest.skip(f"needs {', '.join(missing)}: {kind.install_command}")
    images = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    [artefact] = write_artefacts(
        randomise(StaticNetwork(NETWORK)),
        tmp_path,
        name="net",
        classes=classes,
        normalize=normalize,
        images=images,
        formats=["executorch"],
    )
    assert artefact.size_bytes > 1_000_000
    assert artefact.parity is not None and artefact.parity.top1_agreement == 1
