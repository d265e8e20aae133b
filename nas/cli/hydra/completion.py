"""Shell completion for settings whose values are registered names."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from nas import resources

_NAMES = {
    "network": "nas.network:reference_names",
    "data.name": "nas.training.data:data_sets",
    "device.runtime": "nas.runner.runtimes:runtimes",
    "device.precision": "nas.blocks.ops:BYTES_PER_ELEMENT",
    "train.recipe": "nas.training.recipes:recipe_names",
    "table.missing": "nas.latency.estimate.missing:MISSING",
    "search.accuracy": "nas.cli.steps.search.accuracy:source_names",
    "search.sampler": "nas.search.samplers:sampler_names",
    "scale.method": "nas.cli.steps.final.scale_methods:METHODS",
    "scale.depth_rounding": "nas.scaling:ROUNDINGS",
    "finish.baseline": "nas.network:reference_names",
    "tracker.name": "nas.tracking:tracker_names",
}
"""The source of each setting's values, as ``MODULE:NAME``: a collection, or a function that returns one."""


def complete_value(word: str) -> list[str]:
    """Returns the completions of ``SETTING=START``, each with its setting; empty for other settings."""
    setting, equals, start = word.partition("=")
    values = _values(setting) if equals else ()
    return [f"{setting}={name}" for name in sorted(values) if name.startswith(start)]


def _values(setting: str) -> Iterable[str]:
    if setting == "space":
        return resources.names("search_spaces", ".yaml")
    if setting in ("table", "table.name"):
        from nas.latency.estimate.roofline import ROOFLINE

        return {*resources.names("latency_tables", ".json"), ROOFLINE}
    if setting not in _NAMES:
        return ()
    module, name = _NAMES[setting].split(":")
    source = getattr(importlib.import_module(module), name)
    names: Iterable[str] = source() if callable(source) else source
    return names
