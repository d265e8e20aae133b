"""The machine that this runs on, in words."""

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
    """The processor's name; on a board, the board's.

    Virtual machines give names such as "AMD EPYC" to processors of several generations: family, model and
    stepping tell them apart.
    """
    fields = (line.split(":", 1) for line in _text("/proc/cpuinfo").splitlines() if ":" in line)
    known = {key.strip(): value.strip() for key, value in fields}
    if "model name" in known:
        numbers = [known[key] for key in ("cpu family", "model", "stepping") if key in known]
        return " ".join([known["model name"], *([f"({'/'.join(numbers)})"] if numbers else [])])
    board = _text("/proc/device-tree/model").strip("\0\n ")
    return board or known.get("Model") or platform.processor() or "unknown processor"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
