"""Sections of a model card: the network, its images, the search and the training that it comes from."""

from __future__ import annotations

from collections.abc import Iterator

from nas.deploy.formats import find_format
from nas.latency import LatencyTable
from nas.markdown import code, escaped, table
from nas.report.card.facts import Facts, Scaling, Search
from nas.report.files import units_of
from nas.report.sections.latency import about
from nas.report.sections.search_words import named, sentences
from nas.report.table import in_words, milliseconds
from nas.search.results.winners import CALIBRATED

_LISTED = 20


def introduction(facts: Facts) -> Iterator[str]:
    """What the network does."""
    classes = facts.images.classes
    more = f" and {len(classes) - _LISTED} more" if len(classes) > _LISTED else ""
    yield f"# {escaped(facts.run)}"
    names = ", ".join(map(escaped, classes[:_LISTED]))
    yield (
        f"An image classifier for {len(classes)} classes: {names}{more}. "
        f"{_found(facts)} {code(facts.shipped.file)}: {escaped(in_words(facts.winner))}. "
        "[README.md](README.md) explains how to run each file."
    )


def _found(facts: Facts) -> str:
    if facts.search is None:
        return "hwnas trained, exported and measured it."
    return (
        "hwnas found it by a search for accuracy and predicted cost, then trained, exported and measured it."
    )


def network(facts: Facts) -> Iterator[str]:
    """The network in numbers."""
    row = facts.winner
    colours = "grey" if row.network.input_channels == 1 else "RGB"
    rows = [
        *_architecture(facts),
        ("input", f"{row.network.resolution} × {row.network.resolution} pixels, {colours}"),
        ("blocks", str(len(row.network.blocks))),
        ("MACs of one image", f"{row.macs * 1e-6:.2f} M"),
        ("parameters", f"{row.params * 1e-3:.1f} k"),
        ("licence", "not stated" if facts.license is None else escaped(facts.license)),
    ]
    yield "## Network"
    yield table(("property", "value"), rows, texts=2)


def _architecture(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.has_own_network:
        yield "architecture", "given by the user"
    elif facts.winner.code is not None:
        space = f" of the search space {code(facts.search.winner['space'])}" if facts.search else ""
        yield "architecture", f"{code(facts.winner.code)}{space}"
    elif facts.search is not None:
        origin = (
            f"{code(facts.search.winner['code'])} of the search space {code(facts.search.winner['space'])}"
        )
        yield "architecture", f"scaled from {origin}"


def data(facts: Facts) -> Iterator[str]:
    """The images and their splits."""
    images = facts.images
    colours = "grey" if images.channels == 1 else "RGB"
    int8 = any(find_format(each.format).PRECISION == "int8" for each in facts.files)
    rows = [
        ("training", "weights, calibration of INT8" if int8 else "weights", str(images.train)),
        ("search-validation", "search, parity" if _used_images(facts) else "parity", str(images.validation)),
        ("test", "accuracies of the files", str(images.test)),
    ]
    yield "## Data"
    yield f"{code(images.title)}, {colours}. {_splits(images.drawn, seed=images.seed)}"
    yield table(("part", "used for", "images"), rows, texts=2)


def _used_images(facts: Facts) -> bool:
    """Whether a search evaluated networks on search-validation images."""
    return facts.search is not None and facts.search.winner.get("forecast") is None


def _splits(drawn: tuple[str, ...], *, seed: int) -> str:
    names = {"validation": "search-validation", "test": "test"}
    parts = " and ".join(names[part] for part in names if part in drawn)
    if not parts:
        return "The data set itself defines the three parts."
    return f"The {parts} images were drawn from its training images, each class in proportion (seed {seed})."


def search(facts: Facts) -> Iterator[str]:
    """The search, the device that it was for, and the budget."""
    if facts.search is None:
        return
    winner, chosen = facts.search.winner, facts.search.settings
    sampler = f", proposed by the sampler {code(chosen['sampler'])}" if "sampler" in chosen else ""
    yield "## Search"
    count, space = facts.search.evaluations, code(winner["space"])
    how = (
        f"were evaluated with the weights of a supernet{_supernet(facts.search)}{sampler}"
        if winner.get("forecast") is None
        else "were compared by predicted accuracies"
    )
    yield f"{count} networks of the space {space} {how}."
    by = "with the supernet's weights" if winner.get("forecast") is None else "predicted"
    by = "calibrated by networks trained alone" if winner["objectives"][0]["name"] == CALIBRATED else by
    yield table(("objective", "direction", "bound", f"winner, {by}"), _aims(facts.search), texts=4)
    if text := " ".join(sentences(dict(winner))):
        yield escaped(text)
    yield from _device(facts)


def _supernet(search: Search) -> str:
    if not search.supernet:
        return ""
    if not search.supernet["epochs"]:
        return f" (taken over from {code(search.supernet['init'])})"
    return f" (epochs {search.supernet['epochs']}, recipe {code(search.supernet['recipe'])})"


def _aims(search: Search) -> Iterator[tuple[str, ...]]:
    """Yields a row for each objective and limit."""
    winner = search.winner
    aims = [*winner["objectives"], *winner.get("limits", ())]
    units = units_of(aims)
    for aim in aims:
        name, bound = aim["name"], aim["bound"]
        value = named(name, winner["values"][name], units[name])
        estimated = " (estimated)" if winner.get("estimated", {}).get(name) else ""
        yield (
            code(name),
            aim["direction"],
            "" if bound is None else escaped(named(name, bound, units[name])),
            escaped(f"{value}{estimated}"),
        )


def _device(facts: Facts) -> Iterator[str]:
    if facts.table is not None:
        name = code(facts.table.device.name)
        yield f"Latencies were predicted for the device {name}. {_table(facts.table)}"
    if facts.scaling is not None and facts.scaling.budget_ms is not None and facts.table is not None:
        yield _budget(facts, facts.scaling, facts.scaling.budget_ms, unit=facts.table.device.latency_unit)


def _budget(facts: Facts, scaling: Scaling, budget_ms: float, *, unit: str) -> str:
    method = f" by the method {code(scaling.method)}" if scaling.method else ""
    change = f"scaled{method}" if facts.winner.code is None else "not scaled"
    text = f"The winner was {change}, for a latency budget of {milliseconds(budget_ms)} {unit}."
    if not scaling.missed:
        return text
    missed = ", ".join(f"{each.name} {milliseconds(each.measured_ms)} {unit}" for each in scaling.missed)
    return f"{text} Larger candidates were exported before and missed it: {missed}."


def _table(latencies: LatencyTable) -> str:
    if latencies.accuracy is None:
        error = "Its error on unseen networks is unknown."
    else:
        networks, share = latencies.accuracy.networks, latencies.accuracy.table.mape
        kind = "cross-validated" if latencies.accuracy.cross_validated else "not used for fitting"
        error = f"Its mean error on {networks} whole networks, {kind}, is {100 * share:.1f} %."
    return f"{escaped(about(latencies))} {error}"


def training(facts: Facts) -> Iterator[str]:
    """The final training, and the programs that did it."""
    if not facts.training:
        return
    hyper = facts.training
    yield "## Training"
    weighted = ", each class with the same share of the loss" if facts.class_weights else ""
    yield (
        f"{_STARTS[facts.winner.init]} on the training images{weighted} (epochs {hyper['epochs']}, "
        f"batch size {hyper['batch_size']}, learning rate {hyper['learning_rate']:g}, weight decay "
        f"{hyper['weight_decay']:g}, label smoothing {hyper['label_smoothing']:g}); "
        f"{100 * facts.winner.validation_accuracy:.1f} % on the search-validation images."
    )
    yield from _first_weights(facts)
    programs = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    commit = f" at commit {code(facts.commit)}" if facts.commit else ""
    if programs:
        yield f"Finished {facts.trained} with {escaped(programs)}{commit}; seed {facts.images.seed}."


_STARTS = {
    "scratch": "Trained from scratch",
    "supernet": "Started with the supernet's weights and trained",
    "pretrained": "Started with pretrained weights and trained",
}


def _first_weights(facts: Facts) -> Iterator[str]:
    """Where the weights are from that the network, or its supernet, began with."""
    origin = facts.shipped.origin
    if not origin:
        return
    licence = origin["licence"] or "not known"
    yield (
        f"The first weights are those of {code(origin['name'])} ({escaped(origin['source'])}), licence: "
        f"{escaped(licence)}; SHA-256 {code(origin['sha256'])}."
    )
