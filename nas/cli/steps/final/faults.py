"""Faults of an export: what this machine cannot do, files of others, and converters that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli.screen import say
from nas.cli.steps.context import Context
from nas.cli.steps.final import formats
from nas.deploy.formats import find_format
from nas.errors import UserError
from nas.network import NetworkSpec
from nas.records import RECORD, read_record
from nas.runner.errors import RunnerError
from nas.runner.runtimes import open_runtime

if TYPE_CHECKING:
    from nas.deploy.formats import ConverterError

_UNRECORDED = (RECORD, "measured", "logs")


def check_folder(folder: Path) -> None:
    """Checks that the folder of an export holds nothing but what exports of this run have written.

    Raises:
        UserError: If it does. The message names the files.
    """
    if not folder.is_dir():
        return
    record = folder / RECORD
    recorded = _recorded(folder) if record.is_file() else []
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    ours = {Path(name).parts[0] for name in recorded or []}
    if foreign := [name for name in names if name not in ours and name not in _UNRECORDED]:
        if recorded is None:
            raise UserError(
                f"{record} is damaged; it lists the files of this run in {folder}. Move the folder elsewhere "
                "and export again"
            )
        shown = ", ".join([*foreign[:3], *(["…"] if foreign[3:] else [])])
        raise UserError(
            f"{folder} holds {shown}, which no export of this run has written; move it to another folder, or "
            "choose another run_dir"
        )


def _recorded(folder: Path) -> list[str] | None:
    """Returns the files that a step's record lists; ``None`` if it is damaged."""
    record = read_record(folder)
    return None if record is None or "outputs" not in record else list(record["outputs"])


def cannot_measure(context: Context) -> str:
    """Returns the reason why this machine cannot measure for the run's device; empty if it can.

    Either it is another machine, or the runtime or its provider is not here.
    """
    device = context.device
    try:
        device.require_here()
        open_runtime(device.here().to_dict())
    except (UserError, RunnerError) as error:
        return str(error)
    return ""


def warn_of_few_images(context: Context) -> None:
    """Warns if the ranges of INT8 files would depend on a few images."""
    from nas.quantization import ENOUGH

    names = formats.choose(context.config.export, device=context.device)
    calibrated = [name for name in names if find_format(name).CALIBRATED]
    count = min(len(context.data.splits.train), context.config.export.calibration_images)
    if calibrated and count < ENOUGH:
        say(
            f"deploy: warning: {', '.join(calibrated)}: {count} training images to calibrate on; with "
            f"{ENOUGH} or more, the files depend less on single images"
        )


def report_skipped(context: Context, network: Mapping[str, Any]) -> Callable[[str, ConverterError], None]:
    """Returns the function that reports a format that was left out."""
    return lambda file, error: say(f"deploy: warning: {error}{_choices(context, network, error)}")


@contextmanager
def with_choices(context: Context, network: Mapping[str, Any]) -> Iterator[None]:
    """Adds the choices of the search space that avoid an operation to the error of a converter."""
    from nas.deploy.formats import ConverterError

    try:
        yield
    except ConverterError as error:
        raise UserError(f"{error}{_choices(context, network, error)}") from None


def _choices(context: Context, network: Mapping[str, Any], error: ConverterError) -> str:
    """Lists the choices that avoid what a converter does not know; empty if its error names nothing."""
    from nas.deploy.operators import culprits
    from nas.space.avoid import choices_without

    if context.config.finish.network is not None:
        return ""  # it comes from no space
    sentences = []
    for culprit in culprits(NetworkSpec.from_dict(network), error):
        place, block = culprit.blocks[0]
        choices = choices_without(context.space, place, shape=block.in_shape, operation=culprit.operation)
        sentences.append(f". The search space {context.space.name} has {_in_words(place.stage, choices)}")
    return "".join(sentences)


def _in_words(stage: int, choices: tuple[str, ...]) -> str:
    if not choices:
        return "no choice without it there"
    number = "a choice" if len(choices) == 1 else "choices"
    return f"{number} without it for stage {stage}: {', '.join(choices)}"
