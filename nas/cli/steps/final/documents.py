"""The documents beside the exported files: how to run them, and the model card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli.steps.context import Context
from nas.deploy.readme import README, write_readme
from nas.report.card import CARD, Data, write_card
from nas.report.files import PARETO, WINNER

if TYPE_CHECKING:
    from nas.deploy import Artefact

NAMES = (README, CARD)


def inputs(context: Context) -> dict[str, Path]:
    """Returns the files of the search that the model card describes, as far as the run has them."""
    if context.config.finish.network is not None:
        return {}
    paths = {
        "search's winner": WINNER,
        "search's results": PARETO,
        "latency table": Path("scale", "table.json"),
    }
    files = {name: context.path(*path.parts) for name, path in paths.items()}
    return {name: path for name, path in files.items() if path.is_file()}


def write(context: Context, exported: Sequence[Artefact], folder: Path, *, shipped: Artefact) -> None:
    """Writes the documents of a run's files."""
    write_readme(
        folder,
        exported,
        title=f"Files of {context.run_dir.resolve().name}",
        classes=context.data.splits.classes,
        see=f"[{CARD}]({CARD}) has their accuracy, latency and limits.",
    )
    write_card(
        folder,
        run_dir=context.run_dir,
        exported=exported,
        shipped=shipped,
        images=_data(context),
        license=context.config.export.license,
    )


def _data(context: Context) -> Data:
    config, splits = context.config.data, context.data.splits
    return Data(
        name=config.name,
        folder="" if config.root is None else Path(config.root).expanduser().resolve().name,
        classes=splits.classes,
        channels=splits.channels,
        train=len(splits.train),
        validation=len(splits.validation),
        test=len(splits.test),
        drawn=splits.drawn,
        notes=splits.notes,
        seed=context.config.seed,
    )
