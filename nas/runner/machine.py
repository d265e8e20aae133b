"""A description of the machine that this runs on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def describe_machine() -> str:
    """This machine in one line, e.g. ``"AMD EPYC, 2 cores, x86_64"``."""
    return f"{cpu_model()}, {usable_cores()} cores, {platform.machine()}"


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_model() -> str:
    """The name of the processor, or of the board.

    Virtual machines name processors of several generations "AMD EPYC", for example; family, model and
    stepping distinguish them.
    """
    fields = (line.split(":", 1) for line in _text("/proc/cpuinfo").splitlines() if ":" in line)
    values = {key.strip(): value.strip() for key, value in fields}
    if "model name" in values:
        numbers = [values[key] for key in ("cpu family", "model", "stepping") if key in values]
        return " ".join([values["model name"], *([f"({'/'.join(numbers)})"] if numbers else [])])
    board = _text("/proc/device-tree/model").strip("\0\n ")
    return board or values.get("Model") or platform.processor() or "unknown processor"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
