"""``deploy/MODEL_CARD.md``: what the exported network is and what it was measured to do.

The card has Hugging Face's format: YAML between two lines of dashes, then Markdown. Every figure comes from
the run's files; what a run lacks is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.deploy.manifest import Artefact
from nas.files import write_text
from nas.report.card.facts import Data, read_facts
from nas.report.card.front_matter import front_matter
from nas.report.card.limits import limits
from nas.report.card.measurements import accuracy, latency, parity
from nas.report.card.origin import data, introduction, network, search, training

__all__ = ["CARD", "Data", "write_card"]

CARD = "MODEL_CARD.md"

_SECTIONS = (introduction, network, data, search, training, accuracy, latency, parity, limits)


def write_card(
    folder: Path,
    *,
    run_dir: Path,
    exported: Sequence[Artefact],
    shipped: Artefact,
    images: Data,
    license: str | None = None,
) -> Path:
    """Writes the model card, atomically, and returns its path.

    Args:
        folder: Folder of the card.
        run_dir: The run folder.
        exported: The exported files of all networks.
        shipped: The file of the winner that the card is about.
        images: The images of the run.
        license: Identifier of the files' licence; ``None`` if unknown.

    Raises:
        UserError: If a file of the run cannot be read.
    """
    facts = read_facts(run_dir, exported, shipped=shipped, images=images, license=license)
    parts = [front_matter(facts), *(part for section in _SECTIONS for part in section(facts))]
    path = folder / CARD
    write_text(path, "\n\n".join(parts) + "\n")
    return path
