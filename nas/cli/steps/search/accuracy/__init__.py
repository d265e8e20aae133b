"""Where a search's accuracies come from (``search.accuracy``). A new source is a new file in this folder."""

from __future__ import annotations

from nas.cli.steps.search.accuracy.base import (
    Accuracies,
    AccuracySource,
    accuracy_source,
    register,
    source_names,
)

__all__ = ["Accuracies", "AccuracySource", "accuracy_source", "register", "source_names"]
