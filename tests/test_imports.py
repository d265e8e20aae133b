"""The order in which the rooms of the house may import each other, and what they may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GROUND = {
    "errors",
    "files",
    "resources",
    "masking",
    "version",
    "counts",
    "lines",
}  # what every room but the runner stands on
CORE = {"blocks", "network", "space"}

ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "masking": set(),
    "counts": set(),
    "lines": set(),
    "files": {"errors"},
    "resources": {"errors"},
    "statistics": set(),
    "blocks": GROUND,
    "network": GROUND | {"blocks"},
    "space": GROUND | {"blocks", "network"},
    "scaling": GROUND | {"blocks", "network"},
    "hardware": GROUND | {"blocks", "runner"},  # the runner describes the machine that it runs on
    "runner": set(),
    "latency": GROUND | CORE | {"statistics", "hardware", "runner", "quantization"},
    "nn": GROUND | CORE,
    "quantization": GROUND,
    "training": GROUND | CORE | {"statistics", "nn"},
    "search": GROUND | CORE | {"hardware", "latency"},
    "deploy": GROUND | CORE | {"hardware", "latency", "nn", "quantization", "training"},
    "report": GROUND | CORE | {"hardware", "latency", "search", "deploy"},
    "tracking": GROUND,
    "config": GROUND | {"hardware"},
    "provenance": GROUND | {"hardware"},
    "pipeline": GROUND | {"provenance"},
    "cli": GROUND
    | CORE
    | {"scaling", "hardware", "latency", "nn", "quantization", "training", "search", "deploy", "report"}
    | {"tracking", "config", "provenance", "pipeline", "runner"},
}
"""Which rooms each room may import, at module level or later. ``version`` is ``nas/__init__.py``."""

LIBRARIES: dict[str, set[str]] = {
    "statistics": {"numpy"},
    "space": {"numpy", "yaml"},
    "latency": {"numpy", "onnx", "google"},
    "runner": {"numpy"},
    "nn": {"numpy", "torch"},
    "quantization": {"numpy", "onnx"},
    "training": {"numpy", "torch", "PIL", "safetensors"},
    "search": {"numpy", "optuna"},
    "deploy": {"numpy", "torch", "onnx"},
    "report": {"numpy"},
    "cli": {"hydra", "omegaconf", "rich", "yaml"},
}
"""Which libraries a room may load when it is imported; the others none."""

TORCH_FREE = ("nas", "nas.blocks", "nas.network", "nas.space", "nas.scaling", "nas.hardware", "nas.latency")
TORCH_FREE += ("nas.runner", "nas.latency.measure.table", "nas.search", "nas.config", "nas.pipeline")
TORCH_FREE += (
    "nas.tracking",
    "nas.report",
    "nas.cli.__main__",
    "nas.cli.run",
    "nas.cli.train",
    "nas.cli.trust",
    "nas.cli.search",
    "nas.cli.cost",
)


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "version"


def imports(tree: ast.Module, module: str, is_package: bool) -> Iterator[tuple[str, bool]]:
    """The modules that are imported, and whether that happens when the module itself is."""
    at_import = set(_run_at_import(tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, is_package)
            names = [f"nas.{alias.name}" for alias in node.names] if base == "nas" else [base]
        else:
            continue
        yield from ((name, node in at_import) for name in names)


def _run_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.Try | ast.With):
            yield from _run_at_import(node.body)
        if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.dump(node.test):
            yield from _run_at_import([*node.body, *node.orelse])


def _absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if node.level == 0:
        return node.module or ""
    parts = module.split(".")
    parents = parts[: len(parts) - node.level + is_package]
    return ".".join([*parents, *([node.module] if node.module else [])])


def violations(source: str, *, module: str, is_package: bool = False) -> list[str]:
    """What a module imports against the order."""
    room = room_of(module)
    if room == "version":
        return [
            f"{module} imports {name}"
            for name, _ in imports(ast.parse(source), module, is_package)
            if name.split(".")[0] not in sys.stdlib_module_names
        ]
    if room not in ROOMS:
        return [f"{module}: the room {room} has no place in the order yet; give it one in ROOMS"]
    found = []
    for name, at_import in imports(ast.parse(source), module, is_package):
        top = name.split(".")[0]
        if top == "nas":
            if room_of(name) not in {room, *ROOMS[room]}:
                found.append(f"{module} imports {name}, against the order")
        elif top not in sys.stdlib_module_names and at_import and top not in LIBRARIES.get(room, set()):
            found.append(f"{module} loads {top} at import")
    return found


def modules() -> list[tuple[str, Path]]:
    files = sorted((ROOT / "nas").rglob("*.py"))
    return [
        (".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), file)
        for file in files
    ]


@pytest.mark.parametrize(
    ("module", "file"), modules(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_imports_follow_the_order(module: str, file: Path) -> None:
    assert violations(file.read_text(), module=module, is_package=file.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("nas.blocks.conv", "import numpy"),
        ("nas.blocks.conv", "from nas.network import NetworkSpec"),
        ("nas.blocks.conv", "def f():\n    from nas import network"),
        ("nas.search.study", "import torch"),
        ("nas.search.study", "try:\n    import torch\nexcept ImportError:\n    pass"),
        ("nas.latency.table", "from nas.training.data import Images"),
        ("nas.runner.measure", "from nas.errors import UserError"),
        ("nas.runner.measure", "from nas.latency.table import LatencyTable"),
        ("nas.training.final", "from nas.cli import run"),
        ("nas.pipeline", "import nas.config"),
        ("nas.newcomer", ""),
    ],
)
def test_the_check_finds_what_is_against_the_order(module: str, source: str) -> None:
    assert violations(source, module=module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("nas.space.space", "import numpy\nfrom nas.network import NetworkSpec\nfrom nas import resources"),
        ("nas.tracking", "def f():\n    import wandb"),
        ("nas.search.study", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("nas.runner.measure", "from .protocol import Protocol"),
    ],
)
def test_the_check_lets_pass_what_is_in_order(module: str, source: str) -> None:
    assert violations(source, module=module) == []


LOADER = """
import importlib, sys
for name in sys.argv[2:]:
    importlib.import_module(name)
    if sys.argv[1] in sys.modules:
        sys.exit(f"importing {name} loads {sys.argv[1]}")
"""


def load_in_fresh_process(library: str, *names: str) -> str:
    """Imports modules one after the other; the complaint if one of them loads the library, else nothing."""
    done = subprocess.run(
        [sys.executable, "-c", LOADER, library, *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or "loads" in done.stderr, done.stderr
    return done.stderr.strip()


def test_these_modules_load_no_torch() -> None:
    assert load_in_fresh_process("torch", *TORCH_FREE) == ""


def test_the_test_for_torch_can_fail() -> None:
    assert load_in_fresh_process("torch", "nas.blocks", "nas.nn") == "importing nas.nn loads torch"


def test_importing_nas_loads_no_numpy() -> None:
    assert load_in_fresh_process("numpy", "nas", "nas.blocks", "nas.network") == ""


@pytest.mark.parametrize("file", sorted((ROOT / "nas/runner").rglob("*.py")), ids=lambda file: file.name)
def test_the_runner_is_python_3_9(file: Path) -> None:
    tree = ast.parse(file.read_text(), feature_version=(3, 9))
    assert not any(isinstance(node, ast.Match) for node in ast.walk(tree))
