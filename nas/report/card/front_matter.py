"""The metadata of a model card, as in https://github.com/huggingface/hub-docs/blob/main/modelcard.md ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nas.deploy.formats import find_format
from nas.markdown import printable
from nas.report.card.facts import Facts

_TASK = {"type": "image-classification", "name": "Image classification"}


def front_matter(facts: Facts) -> str:
    """Returns the metadata in YAML, between two lines of dashes."""
    import yaml

    libraries = [find_format(each.format).LIBRARY for each in (facts.shipped, *facts.files)]
    named = list(dict.fromkeys(filter(None, libraries)))
    value: dict[str, Any] = {"license": "other" if facts.license is None else printable(facts.license)}
    if named:
        value["library_name"] = named[0]
    value |= {
        "pipeline_tag": _TASK["type"],
        "tags": ["hwnas", "neural-architecture-search", *named],
        "metrics": ["accuracy"],
    }
    if results := list(_results(facts)):
        value["model-index"] = [{"name": printable(facts.run), "results": results}]
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return f"---\n{text}---"


def _results(facts: Facts) -> Iterator[dict[str, Any]]:
    metrics = [
        {
            "type": "accuracy",
            "value": round(each.test_correct / each.test_total, 4),
            "name": f"Test accuracy of {each.file}",
        }
        for each in facts.files
        if each.test_correct is not None and each.test_total
    ]
    if metrics:
        dataset = {"type": printable(facts.images.name), "name": printable(facts.images.title)}
        yield {"task": dict(_TASK), "dataset": {**dataset, "split": "test"}, "metrics": metrics}
