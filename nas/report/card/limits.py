"""The section of a model card on what its figures do not say."""

from __future__ import annotations

from collections.abc import Iterator

from nas.hardware import latency_unit
from nas.markdown import code, escaped
from nas.report.card.facts import Facts
from nas.report.table import milliseconds


def limits(facts: Facts) -> Iterator[str]:
    """What a user of the files has to know before trusting them."""
    yield "## Limits"
    bullets = [*_of_images(facts), *_of_latencies(facts), *_of_files(facts)]
    yield "\n".join(f"- {text}" for text in bullets)


def _of_images(facts: Facts) -> Iterator[str]:
    row, images = facts.winner, facts.images
    low, high = row.test_interval
    yield (
        f"{row.test_total} test images: the 95 % interval of the accuracy spans {100 * (high - low):.1f} "
        "points."
    )
    if counts := [each for each in row.by_class if each.total]:
        fewest = min(counts, key=lambda each: each.total)
        yield f"The class with the fewest test images, {escaped(fewest.name)}, has {fewest.total}."
    yield from (f"{escaped(note[:1].upper() + note[1:])}." for note in images.notes)
    if row.reused:
        yield "`nas trust` has evaluated networks on the test images too."
    source = (
        "were drawn from the same images as the training images"
        if "test" in images.drawn
        else ("are those of the data set")
    )
    yield f"The test images {source}: the accuracy on pictures from elsewhere is not known."
    yield "Every image gets one of the classes, also a picture of something else."


def _of_latencies(facts: Facts) -> Iterator[str]:
    latency, missed, unit = facts.shipped.latency_ms, facts.missed_ms, latency_unit(facts.shipped.batch)
    if latency is None:
        yield f"The latency of {code(facts.shipped.file)} was not measured."
    else:
        yield "A latency holds for the machine, runtime, version, threads, batch and precision above."
    causes = dict.fromkeys(
        each.latency_ms.disturbed for each in facts.files if each.latency_ms and each.latency_ms.disturbed
    )
    if causes:
        yield f"The measurement of latencies was disturbed: {escaped(', '.join(causes))}."
    if latency is not None and missed is not None:
        yield (
            f"The latency budget of {milliseconds(missed)} {unit} is missed: {code(facts.shipped.file)} "
            f"takes {milliseconds(latency.value)} {unit}."
        )
    if facts.winner.estimated:
        yield "Predicted latencies are estimates: the table lacks measurements of some blocks."


def _of_files(facts: Facts) -> Iterator[str]:
    for each in facts.files:
        if each.note:
            yield f"{code(each.file)}: {escaped(each.note)}."
    if facts.license is None:
        yield "The licence is not stated: it depends on the images and on whoever trained the network."
    if origin := facts.shipped.origin:
        licence = escaped(origin["licence"]) or "unknown: ask whoever published them"
        yield f"The licence of the weights that the training began with is {licence}."
