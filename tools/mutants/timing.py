"""A pytest plugin that writes each passed test and its CPU time to the folder ``MUTANTS_TIMES``."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path

import pytest

_failed: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measures a test, its fixtures and the processes that it waited for."""
    before = sum(os.times()[:4])
    result = yield
    record = {"test": item.nodeid, "cpu_s": round(sum(os.times()[:4]) - before, 4)}
    if item.nodeid not in _failed:
        with (Path(os.environ["MUTANTS_TIMES"]) / f"{os.getpid()}.jsonl").open(
            "a", encoding="utf-8"
        ) as stream:
            stream.write(json.dumps(record) + "\n")
    return result


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Records tests that fail or are skipped."""
    if not report.passed:
        _failed.add(report.nodeid)
