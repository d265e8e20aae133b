"""What a machine is called, and whether it is known to be emulated."""

import platform

import pytest

from nas.runner import machine

QEMU_ARM = (
    "processor\t: 0\nmodel name\t: ARMv8 Processor rev 0 (v8l)\nCPU implementer\t: 0x00\nCPU part\t: 0x051\n"
)
CORTEX_A72 = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\nModel\t\t: Raspberry Pi 4\n"
EPYC = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nstepping\t: 1\n"
QEMU_X86 = EPYC.replace("AMD EPYC", "QEMU TCG CPU version 2.5+")


@pytest.mark.parametrize(
    ("architecture", "kernel", "cpuinfo", "emulated"),
    [
        ("x86_64", "x86_64\n", EPYC, False),
        ("x86_64", "", EPYC, False),  # before Linux 6.1, which does not name it
        ("i686", "x86_64\n", EPYC, False),  # 32 bits on a kernel of 64
        ("aarch64", "aarch64\n", CORTEX_A72, False),
        ("armv7l", "aarch64\n", CORTEX_A72, False),
        ("armv8l", "aarch64\n", CORTEX_A72, False),
        ("arm64", "", "", False),  # macOS
        ("aarch64", "x86_64\n", CORTEX_A72, True),  # QEMU in user mode, QEMU_CPU=cortex-a72
        ("aarch64", "", QEMU_ARM, True),
        ("aarch64", "aarch64\n", QEMU_ARM, True),  # a whole machine
        ("x86_64", "aarch64\n", EPYC, True),
        ("x86_64", "x86_64\n", QEMU_X86, True),
        ("riscv64", "x86_64\n", "", True),
    ],
)
def test_an_emulated_machine_says_so(monkeypatch, architecture, kernel, cpuinfo, emulated):
    files = {"/proc/sys/kernel/arch": kernel, "/proc/cpuinfo": cpuinfo}
    monkeypatch.setattr(machine, "_text", lambda path: files.get(path, ""))
    monkeypatch.setattr(platform, "machine", lambda: architecture)
    described = machine.describe_machine()
    assert machine.names_emulated(described) is emulated
    assert described.endswith(f" cores, {architecture}" + (", emulated" if emulated else ""))


MEMINFO = "MemTotal:       2000 kB\nMemFree:  10 kB\nMemAvailable:    1000 kB\n"


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, None),  # not Linux
        ({"/proc/meminfo": MEMINFO}, 1_024_000),
        ({"/proc/meminfo": MEMINFO, "memory.max": "max\n", "memory.current": "5\n"}, 1_024_000),
        ({"/proc/meminfo": MEMINFO, "memory.max": "900000\n", "memory.current": "300000\n"}, 600_000),
        (
            {
                "/proc/meminfo": MEMINFO,
                "memory.max": "900000",
                "memory.current": "300000",
                "memory.stat": "anon 200000\ninactive_file 100000\n",
            },
            700_000,
        ),
        (
            {
                "/proc/meminfo": MEMINFO,
                "memory/memory.limit_in_bytes": "500000",
                "memory/memory.usage_in_bytes": "600000",
            },
            0,
        ),
    ],
)
def test_free_memory_is_what_the_machine_and_the_container_leave(monkeypatch, files, free):
    monkeypatch.setattr(machine, "_text", lambda path: files.get(path.removeprefix("/sys/fs/cgroup/"), ""))
    assert machine.free_memory() == free


def test_free_memory_of_this_machine_is_positive():
    free = machine.free_memory()
    assert free is None or 0 < free < 2**50
