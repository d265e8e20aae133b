"""A description of the machine that this runs on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_CONTAINER = (
    ("memory.max", "memory.current", ("memory.stat", "inactive_file")),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        ("memory/memory.stat", "total_inactive_file"),
    ),
)
"""A container's limit, its use, and the files in it, in versions 2 and 1 of control groups."""
_EMULATED = ", emulated"
_X86 = ("x86_64", "i386", "i486", "i586", "i686")


def describe_machine() -> str:
    """This machine in one line, e.g. ``"AMD EPYC, 2 cores, x86_64"``; an emulated one ends with that word."""
    emulated = _EMULATED if is_emulated() else ""
    return f"{cpu_model()}, {usable_cores()} cores, {platform.machine()}{emulated}"


def names_emulated(machine: str) -> bool:
    """Whether a description is that of an emulated machine, whose times are those of the emulator."""
    return machine.endswith(_EMULATED)


def is_emulated() -> bool:
    """Whether the processor is emulated, as far as Linux shows it.

    QEMU in user mode answers for the processor, but the kernel's name of its architecture passes through
    (``/proc/sys/kernel/arch``, since Linux 6.1). QEMU's processors with all features name themselves: "QEMU
    TCG" on x86, implementer 0 on Arm, which the architecture reserves for software (MIDR_EL1). An emulator
    that claims to be a certain processor is not noticed, nor is Rosetta.
    """
    values, kernel = _cpuinfo(), _text("/proc/sys/kernel/arch").strip()
    is_foreign = kernel != "" and _family(kernel) != _family(platform.machine())
    return is_foreign or "QEMU TCG" in values.get("model name", "") or values.get("CPU implementer") == "0x00"


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory() -> int | None:
    """Bytes that a program can still use on this machine or in its container, if the system says so."""
    lines = [line.split() for line in _text("/proc/meminfo").splitlines()]
    free = [int(words[1]) * 1024 for words in lines if words[:1] == ["MemAvailable:"]]
    for limit, used, cached in _CONTAINER:
        most, now = (_text(f"/sys/fs/cgroup/{file}").strip() for file in (limit, used))
        if most.isdecimal() and now.isdecimal():  # "max" without a limit
            free.append(max(int(most) - int(now) + _cached(*cached), 0))
    return min(free, default=None)


def _cached(file: str, name: str) -> int:
    """Bytes of files in a container's memory, which the system gives up for programs."""
    lines = [line.split() for line in _text(f"/sys/fs/cgroup/{file}").splitlines()]
    return next((int(words[1]) for words in lines if words[:1] == [name]), 0)


def cpu_model() -> str:
    """The name of the processor, or of the board.

    Virtual machines name processors of several generations "AMD EPYC", for example; family, model and
    stepping distinguish them.
    """
    values = _cpuinfo()
    if "model name" in values:
        numbers = [values[key] for key in ("cpu family", "model", "stepping") if key in values]
        return " ".join([values["model name"], *([f"({'/'.join(numbers)})"] if numbers else [])])
    board = _text("/proc/device-tree/model").strip("\0\n ")
    return board or values.get("Model") or platform.processor() or "unknown processor"


def _cpuinfo() -> dict[str, str]:
    fields = (line.split(":", 1) for line in _text("/proc/cpuinfo").splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in fields}


def _family(architecture: str) -> str:
    """What the 32-bit and 64-bit forms of an architecture share: a kernel runs both."""
    if architecture in _X86:
        return "x86"
    return "arm" if architecture == "aarch64" else architecture[:3]


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
