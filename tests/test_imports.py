"""The order in which the rooms of the house may import each other, and what they may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GROUND = {"errors", "files", "resources", "masking", "version", "arrays"}  # below every room but the runner
GROUND |= {"registry", "plugins", "statistics", "markdown", "locks", "processes", "records"}
CORE = {"blocks", "network", "space"}
LIBRARY = CORE | {"scaling", "hardware", "latency", "nn", "pretrained", "quantization", "training"}
LIBRARY |= {"search", "deploy", "report", "scoring", "published", "runner", "gaussian"}
SUPPORT = {"tracking", "config", "provenance", "pipeline"}

_LATENCY = {"latency.models", "latency.storage", "latency.table", "latency.compatible"}

ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "masking": set(),
    "arrays": set(),
    "markdown": set(),
    "processes": set(),
    "locks": {"errors", "processes"},
    "files": {"errors", "locks"},
    "records": {"errors", "files"},
    "registry": {"errors"},
    "plugins": {"errors"},
    "resources": {"errors"},
    "statistics": {"arrays"},
    "gaussian": {"arrays"},
    "runner": set(),
    "blocks": GROUND,
    "network": GROUND | {"blocks"},
    "space": GROUND | {"blocks", "network"},
    "scaling": GROUND | {"blocks", "network"},
    "hardware": GROUND | {"blocks", "runner"},  # the runner describes the machine that it runs on
    "quantization": GROUND,
    # A table: its models, the table itself, what is measured, the files of a kit, what runs them, the costs.
    "latency.models": GROUND | CORE | {"gaussian"},
    "latency.storage": GROUND,
    "latency.table": GROUND | CORE | {"hardware", "latency.models", "latency.storage"},
    "latency.compatible": GROUND | {"hardware", "latency.models", "latency.table"},
    "latency.estimate": GROUND | CORE | {"hardware"} | _LATENCY,
    "latency.plan": GROUND | CORE | {"hardware", "runner", "latency.models"},
    "latency.kit": GROUND | CORE | {"hardware", "quantization", "runner", "latency.plan"},
    "latency.targets": GROUND | {"runner", "latency.kit"},
    "latency.costs": GROUND | CORE | {"hardware", "runner", "latency.plan"} | _LATENCY,
    "latency.measure": GROUND
    | CORE
    | {"hardware", "runner", "latency.plan", "latency.kit", "latency.targets", "latency.costs"}
    | _LATENCY,
    "latency.load": GROUND | {"latency.costs"} | _LATENCY,
    "latency": GROUND | {"latency.load"} | _LATENCY,
    "nn": GROUND | CORE | {"quantization"},
    "pretrained": GROUND | CORE | {"nn"},
    "training": GROUND | CORE | {"nn", "pretrained", "quantization"},
    # A search: what it looks for, what can be met, how trials are kept, what proposes, and what runs it.
    "search.goals": GROUND | CORE,
    "search.reachable": GROUND | CORE | {"search.goals"},
    "search.proposals": GROUND | CORE | {"search.goals", "search.reachable"},
    "search.predictors": GROUND | CORE | {"gaussian", "search.goals"},
    "search.trials": GROUND | CORE | {"search.goals"},
    "search.bounds": GROUND | CORE | {"search.goals", "search.trials"},
    "search.results": GROUND | CORE | {"gaussian", "search.goals", "search.predictors", "search.trials"},
    "search.samplers": GROUND
    | CORE
    | {"search.goals", "search.reachable", "search.predictors", "search.trials"},
    "search.study": GROUND | CORE | {"search.goals", "search.proposals", "search.results", "search.samplers"},
    "search": GROUND
    | CORE
    | {
        "search.goals",
        "search.reachable",
        "search.bounds",
        "search.proposals",
        "search.trials",
        "search.results",
    }
    | {"search.samplers", "search.study"},
    "deploy": GROUND | CORE | {"hardware", "latency", "nn", "quantization", "runner", "training"},
    "scoring": GROUND | CORE | {"nn", "quantization", "training", "search", "deploy"},
    "published": GROUND | CORE | {"search"},
    "report": GROUND | CORE | {"hardware", "scaling", "latency", "search", "deploy"},
    "tracking": GROUND,
    "config": GROUND | {"hardware"},
    "provenance": GROUND | {"hardware"},
    "pipeline": GROUND | {"provenance"},
    # The command line: what is shown, several processes, Hydra, the steps, the commands.
    "cli.screen": GROUND,
    "cli.shared_cpus": {"runner"},
    "cli.bars": GROUND | {"runner", "training", "cli.screen", "cli.shared_cpus"},
    "cli.processes": GROUND | {"pipeline", "training", "cli.screen"},
    "cli.hydra": GROUND | LIBRARY | {"config", "cli.screen", "cli.processes"},
    "cli.steps": GROUND | LIBRARY | SUPPORT | {"cli.screen", "cli.bars", "cli.processes", "cli.hydra"},
    "cli.commands": GROUND
    | LIBRARY
    | SUPPORT
    | {"cli.screen", "cli.bars", "cli.processes", "cli.hydra", "cli.steps"},
    "cli": GROUND
    | LIBRARY
    | SUPPORT
    | {"cli.screen", "cli.bars", "cli.processes", "cli.hydra", "cli.steps", "cli.commands"},
}
"""Which rooms each room may import, at module level or later. ``version`` is ``nas/__init__.py``.

A module belongs to the room with the longest name that its own begins with. A name stands for the rooms
inside it too: ``latency`` for all of ``nas.latency``.
"""

LIBRARIES: dict[str, set[str]] = {
    "arrays": {"numpy"},
    "statistics": {"numpy"},
    "gaussian": {"numpy"},
    "space": {"numpy", "yaml"},
    "latency": {"numpy", "onnx", "google"},
    "runner": {"numpy"},
    "nn": {"numpy", "torch"},
    "pretrained": {"torch", "safetensors"},
    "quantization": {"numpy", "onnx"},
    "training": {"numpy", "torch", "PIL", "safetensors"},
    "search": {"numpy", "optuna"},
    "deploy": {"numpy", "torch", "onnx"},
    "scoring": {"torch"},
    "published": {"numpy"},
    "report": {"numpy"},
    "cli": {"hydra", "omegaconf", "rich", "yaml"},
}
"""Which libraries a room may load when it is imported; the others none."""

TORCH_FREE = ("nas", "nas.blocks", "nas.network", "nas.space", "nas.scaling", "nas.hardware", "nas.latency")
TORCH_FREE += (
    "nas.runner",
    "nas.latency.measure.table",
    "nas.search",
    "nas.published",
    "nas.config",
    "nas.pipeline",
)
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
    """The room with the longest name that the module's name begins with."""
    inside = module.removeprefix("nas").removeprefix(".")
    parts = inside.split(".")
    names = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((name for name in names if name in ROOMS), parts[0] or "version")


def may_import(room: str, other: str) -> bool:
    """Whether one room may import another: itself, one that it names, or one inside a room that it names."""
    outside = other.split(".", maxsplit=1)[0]
    inside_another = outside != room.split(".", maxsplit=1)[0]
    return other in {room, *ROOMS[room]} or (inside_another and outside in ROOMS[room])


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
    allowed = LIBRARIES.get(room.split(".", maxsplit=1)[0], set())
    for name, at_import in imports(ast.parse(source), module, is_package):
        top = name.split(".")[0]
        if top == "nas":
            if not may_import(room, room_of(name)):
                found.append(f"{module} imports {name}, against the order")
        elif top not in sys.stdlib_module_names and at_import and top not in allowed:
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
        ("nas.latency.models.blocks", "from nas.latency.table import LatencyTable"),
        ("nas.latency.plan.plan", "from nas.latency.kit.kit import Kit"),
        ("nas.latency.table", "from nas.latency import load_table"),
        ("nas.cli.screen", "from nas.cli.hydra import command"),
        ("nas.cli.steps.final.export", "from nas.cli import commands"),
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
        ("nas.report.files", "from nas.latency.table import LatencyTable"),
        ("nas.latency.load", "from nas.latency.table import LatencyTable"),
    ],
)
def test_the_check_lets_pass_what_is_in_order(module: str, source: str) -> None:
    assert violations(source, module=module) == []


def graph() -> dict[str, set[str]]:
    """The modules of ours that each module imports, at module level or later."""
    files = dict(modules())
    edges: dict[str, set[str]] = {}
    for module, file in files.items():
        is_package = file.name == "__init__.py"
        names: set[str] = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = _absolute(node, module, is_package)
                inner = {f"{base}.{alias.name}" for alias in node.names}
                names |= inner & files.keys() or {base}
        edges[module] = (names & files.keys()) - {module}
    return edges


FACADES = {"nas.space.checks", "nas.space.enumeration", "nas.space.lower_many", "nas.space.restrict"}
"""Parts of ``SearchSpace`` in files of their own, which name it in their annotations."""


def test_no_modules_import_each_other_in_a_circle() -> None:
    edges = {module: names - FACADES for module, names in graph().items()}
    assert circle(edges) == ()


def circle(edges: Mapping[str, set[str]]) -> tuple[str, ...]:
    """The modules of a circle and before it; none if there is no circle."""
    try:
        tuple(TopologicalSorter(edges).static_order())
    except CycleError as error:
        return tuple(error.args[1])
    return ()


def test_the_test_for_circles_can_fail() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != ()


def test_rooms_allow_no_circle() -> None:
    assert circle({room: names & ROOMS.keys() for room, names in ROOMS.items()}) == ()


LARGEST_ROOM = 16
ONE_FILE_A_KIND = {"blocks", "deploy/formats", "cli"}
"""Folders with a file for each block kind, export format or command."""


def test_no_folder_holds_too_many_modules() -> None:
    counts = Counter(file.parent.relative_to(ROOT / "nas").as_posix() for _, file in modules())
    assert {folder for folder, count in counts.items() if count > LARGEST_ROOM + 1} <= ONE_FILE_A_KIND


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
