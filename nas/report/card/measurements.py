"""Sections of a model card: accuracy, latency and parity of each file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nas.deploy.formats import find_format
from nas.deploy.manifest import Artefact
from nas.hardware import latency_unit
from nas.markdown import code, escaped, table
from nas.report.card.facts import Facts
from nas.report.table import ABSENT, balanced, cells, footnote, headings, milliseconds
from nas.statistics import wilson


def accuracy(facts: Facts) -> Iterator[str]:
    """Accuracy of each file, of each class, and of the other networks."""
    counted = [each for each in facts.files if each.test_correct is not None and each.test_total]
    if not counted:
        return
    yield "## Accuracy"
    yield (
        "Of the files themselves, on the test images. Intervals are Wilson's, of 95 %, and hold for other "
        "images of the same kind."
    )
    head = ("file", "accuracy, %", "95 % interval", "correct", "images")
    yield table(head, [(code(each.file), *_shares(each.test_correct, each.test_total)) for each in counted])
    yield from _by_class(facts)
    yield from _compared(facts)


def _shares(correct: int | None, total: int | None) -> tuple[str, ...]:
    """Accuracy, its interval and the counts; the accuracy of no images is absent."""
    if correct is None or not total:
        return ABSENT, ABSENT, str(correct or 0), str(total or 0)
    low, high = wilson(correct, total)
    return f"{100 * correct / total:.1f}", f"{100 * low:.1f}–{100 * high:.1f}", str(correct), str(total)


def _by_class(facts: Facts) -> Iterator[str]:
    row = facts.winner
    if not row.by_class:
        return
    yield f"### By class, {code(facts.shipped.file)}"
    head = ("class", "accuracy, %", "95 % interval", "correct", "images")
    yield table(head, [(escaped(each.name), *_shares(each.correct, each.total)) for each in row.by_class])
    yield escaped(balanced(facts.rows))


def _compared(facts: Facts) -> Iterator[str]:
    if len(facts.rows) < 2:
        return
    yield "### Compared with"
    yield "Networks that were trained, exported and measured in the same way."
    head = [f"{text}, {unit}" if unit else text for text, unit in headings(facts.rows)]
    yield table(head, [[escaped(cell) for cell in line] for line in cells(facts.rows)])
    yield escaped(footnote(facts.rows))


def latency(facts: Facts) -> Iterator[str]:
    """Latency of each file, and the conditions."""
    timed = [each for each in facts.files if each.latency_ms is not None]
    yield "## Latency"
    if not timed:
        yield "No file was measured."
        return
    yield f"{_conditions(timed[0])} {_unit(timed[0])}"
    head = ("file", "precision", "measured, ms", "95 % interval", "typical, ms", "disturbed by")
    yield table(head, [_latency_cells(each) for each in timed], texts=2)
    if rest := [each for each in facts.files if each.latency_ms is None]:
        yield f"Not measured: {_files(rest)}."
    yield from _predicted(facts)


def _conditions(artefact: Artefact) -> str:
    device = artefact.device
    runtime = " ".join(filter(None, [device.get("runtime", ""), device.get("runtime_version", "")]))
    facts = [
        ("machine", device.get("machine", "")),
        ("runtime", runtime),
        ("provider", device.get("provider", "")),
        ("threads", str(device.get("threads", ""))),
        ("batch", str(device.get("batch", ""))),
    ]
    return f"Conditions: {'; '.join(f'{name} {escaped(value)}' for name, value in facts if value)}."


def _unit(artefact: Artefact) -> str:
    images = "one image" if artefact.batch == 1 else f"{artefact.batch} images"
    return (
        f"A latency is the time of one inference, of {images}; all files were measured in turns. It is the "
        "undisturbed time, a low quantile of all samples; the typical time is their median."
    )


def _latency_cells(artefact: Artefact) -> tuple[str, ...]:
    spread = artefact.latency_ms
    assert spread is not None
    precision = artefact.device.get("precision", find_format(artefact.format).PRECISION)
    return (
        code(artefact.file),
        precision,
        milliseconds(spread.value),
        f"{milliseconds(spread.low)}–{milliseconds(spread.high)}",
        "" if spread.typical is None else milliseconds(spread.typical),
        escaped(spread.disturbed) or "nothing known",
    )


def _predicted(facts: Facts) -> Iterator[str]:
    row, spread = facts.winner, facts.shipped.latency_ms
    if row.predicted_ms is None or facts.table is None:
        return
    kind = "estimated" if row.estimated else "predicted"
    text = f"The latency table {kind} {milliseconds(row.predicted_ms)} {latency_unit(row.predicted_batch)}"
    if spread is None or not facts.is_predicted_here:
        yield f"{text} for the device {code(facts.table.device.name)}."
        return
    difference = 100 * (spread.value / row.predicted_ms - 1)
    yield f"{text}; {code(facts.shipped.file)} differs by {difference:+.1f} %."


def parity(facts: Facts) -> Iterator[str]:
    """Difference of each file from the trained network."""
    checked = [(each, each.parity) for each in facts.files if each.parity is not None]
    if not checked:
        return
    yield "## Parity"
    yield (
        "The outputs of each file against those of the trained network in PyTorch, on images outside the "
        "test set: the largest error relative to the largest output, the signal-to-quantisation-noise ratio "
        "(SQNR), and the share of the images with the same class."
    )
    rows = [
        (
            code(each.file),
            f"{compared.largest_relative_error:.1e}",
            ABSENT if compared.sqnr_db is None else f"{compared.sqnr_db:.1f}",
            f"{100 * compared.top1_agreement:.1f}",
            str(compared.images),
        )
        for each, compared in checked
    ]
    yield table(("file", "largest error", "SQNR, dB", "same class, %", "images"), rows)


def _files(artefacts: Iterable[Artefact]) -> str:
    return ", ".join(code(each.file) for each in artefacts)
