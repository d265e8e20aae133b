"""The values of settings that name something registered, for shell completion."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nas import resources


def complete_value(word: str) -> list[str]:
    """What ``SETTING=START`` may go on to, each with its setting; empty where nothing is registered."""
    setting, equals, start = word.partition("=")
    if not equals or setting not in _VALUES:
        return []
    return [f"{setting}={name}" for name in sorted(_VALUES[setting]()) if name.startswith(start)]


def _tables() -> Iterable[str]:
    from nas.cli.steps.table_sources import ROOFLINE

    return {*resources.names("latency_tables", ".json"), ROOFLINE}


def _recipes() -> Iterable[str]:
    from nas.training.recipes import recipe_names

    return recipe_names()


def _samplers() -> Iterable[str]:
    from nas.search.samplers import sampler_names

    return sampler_names()


def _data_sets() -> Iterable[str]:
    from nas.training.data import data_sets

    return data_sets()


def _trackers() -> Iterable[str]:
    from nas.tracking import tracker_names

    return tracker_names()


def _runtimes() -> Iterable[str]:
    from nas.latency.runner.runtimes import runtimes

    return runtimes()


def _precisions() -> Iterable[str]:
    from nas.blocks.ops import BYTES_PER_ELEMENT

    return BYTES_PER_ELEMENT


def _networks() -> Iterable[str]:
    from nas.network import reference_names

    return reference_names()


def _table_formats() -> Iterable[str]:
    from nas.latency.importers import formats

    return formats()


def _missing() -> Iterable[str]:
    from nas.cli.steps.table import MISSING

    return MISSING


def _roundings() -> Iterable[str]:
    from nas.scaling import ROUNDINGS

    return ROUNDINGS


_VALUES: dict[str, Callable[[], Iterable[str]]] = {
    "space": lambda: resources.names("search_spaces", ".yaml"),
    "network": _networks,
    "data.name": _data_sets,
    "device.runtime": _runtimes,
    "device.precision": _precisions,
    "train.recipe": _recipes,
    "table": _tables,
    "table.name": _tables,
    "table.format": _table_formats,
    "table.missing": _missing,
    "search.sampler": _samplers,
    "scale.depth_rounding": _roundings,
    "finish.baseline": _networks,
    "tracker.name": _trackers,
}
