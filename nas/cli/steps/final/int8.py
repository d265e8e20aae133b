"""INT8 files of ``nas export``: settings, calibration images, and a warning about what rounding has cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.config import ExportConfig
from nas.deploy.formats import USUAL_AGREEMENT, find_format
from nas.errors import UserError, unknown

if TYPE_CHECKING:
    from torch import Tensor

    from nas.deploy import Artefact
    from nas.deploy.quantised import Int8
    from nas.training.prepared import Prepared


def check(config: ExportConfig) -> None:
    """Checks the settings before any work is done."""
    from nas.deploy.quantised import AUTO
    from nas.quantization import CALIBRATIONS

    if config.calibration not in (allowed := (*CALIBRATIONS, AUTO)):
        raise unknown("export.calibration", config.calibration, allowed)
    if config.calibration_images < 1:
        raise UserError(
            f"export.calibration_images is {config.calibration_images}; give at least 1, better 64 or more"
        )
    if config.int8_loss is not None and not 0 <= config.int8_loss <= 100:
        raise UserError(
            f"export.int8_loss is {config.int8_loss}; give points of accuracy from 0 to 100, or null"
        )


def settings(context: Context, data: Prepared, resolution: int) -> Int8:
    """Returns how INT8 files are written: for this machine's processor, or for an NVIDIA GPU."""
    from nas.deploy.quantised import Int8
    from nas.quantization import SCHEMES, scheme_of, target_here

    config = context.config.export
    scheme = scheme_of(runtime=context.device.runtime, provider=context.device.provider)
    return Int8(
        target="tensorrt" if scheme is SCHEMES["tensorrt"] else target_here(),
        calibration=config.calibration,
        largest_loss=None if config.int8_loss is None else config.int8_loss / 100,
        judging=lambda: data.plain(data.splits.validation, resolution=resolution),
    )


def calibration_images(context: Context, data: Prepared, resolution: int) -> Tensor:
    """Returns training images (N, C, H, W), sampled with the seed."""
    import torch

    from nas.training.data import subset

    images = data.splits.train
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(context.config.seed))
    sampled = subset(images, order[: context.config.export.calibration_images])
    return torch.cat([x for x, _ in data.plain(sampled, resolution=resolution)])


def warn(artefact: Artefact, trained: dict[str, Any]) -> None:
    """Warns about an INT8 file that gives fewer images the trained network's class than is usual.

    Args:
        artefact: An evaluated file.
        trained: The record of its network, with the counts on the test images.
    """
    parity = artefact.parity
    if parity is None or find_format(artefact.format).AGREEMENT is None:
        return
    if parity.top1_agreement >= USUAL_AGREEMENT:
        return
    say(
        f"deploy: warning: {artefact.file} gives {parity.top1_agreement:.1%} of {parity.images} images the "
        f"trained network's class ({USUAL_AGREEMENT:.0%} is usual){_lost(artefact, trained)}. "
        "export.int8_loss=1 keeps the layers in float that cost more than a point; finish.int8_epochs trains "
        "with the rounding; export.calibration_images gives more images"
    )


def _lost(artefact: Artefact, trained: dict[str, Any]) -> str:
    if not artefact.test_total or artefact.test_correct is None:
        return ""
    points = 100 * (
        trained["test_correct"] / trained["test_total"] - artefact.test_correct / artefact.test_total
    )
    return f" and is {points:.1f} points less accurate" if points > 0 else ", and as accurate"
