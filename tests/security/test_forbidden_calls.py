"""Calls that would run what a file or an argument says: none in the project's own code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("nas", "experiments", "benchmarks", "tools")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

FORBIDDEN = {
    "pickle.load": "it runs what the file says",
    "pickle.loads": "it runs what the bytes say",
    "pickle.Unpickler": "it runs what the file says",
    "cPickle.load": "it runs what the file says",
    "dill.load": "it runs what the file says",
    "joblib.load": "it runs what the file says",
    "shelve.open": "it runs what the file says",
    "marshal.loads": "damaged bytes crash Python",
    "yaml.load": "it may construct any object; use yaml.safe_load",
    "yaml.unsafe_load": "it constructs any object",
    "yaml.full_load": "it constructs objects",
    "torch.jit.load": "it runs a program from a file",
    "os.system": "a shell interprets the string",
    "os.popen": "a shell interprets the string",
    "subprocess.getoutput": "a shell interprets the string",
    "subprocess.getstatusoutput": "a shell interprets the string",
    "eval": "it runs the string",
    "tempfile.mktemp": "another process may take the name first",
}

ALLOWED = {
    (
        "nas/deploy/formats/pytorch.py",
        "exec",
    ): "the code beside an exported network, which is what the format is",
}


def faults(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Line, call and reason of each call that must not be."""
    modules = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        head, _, rest = name.partition(".")
        name = modules.get(head, head) + (f".{rest}" if rest else "")
        keywords = {word.arg: word.value for word in node.keywords}
        if name in FORBIDDEN:
            yield node.lineno, name, FORBIDDEN[name]
        elif name == "exec":
            yield node.lineno, name, "it runs the string"
        elif name == "torch.load" and not _is(keywords.get("weights_only"), True):
            yield node.lineno, name, "it unpickles; set weights_only=True"
        elif name in ("np.load", "numpy.load") and not _is(keywords.get("allow_pickle", _FALSE), False):
            yield node.lineno, name, "it unpickles; leave allow_pickle off"
        elif name.startswith("subprocess.") and not _is(keywords.get("shell", _FALSE), False):
            yield node.lineno, name, "a shell interprets the string; give a list of arguments"


_FALSE = ast.Constant(False)


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_no_file_is_run_and_no_shell_interprets_a_string() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), line, call, reason)
        for path in FILES
        for line, call, reason in faults(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert len(FILES) > 300
    assert {each[::2][:2] for each in found} >= ALLOWED.keys(), "an exception is not needed any more"
    forbidden = sorted(each for each in found if each[::2] not in ALLOWED)
    assert not forbidden, "\n".join(map(str, forbidden))


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("import pickle\npickle.load(f)", "pickle.load"),
        ("from pickle import load\nload(f)", "pickle.load"),
        ("import torch\ntorch.load(f)", "torch.load"),
        ("import torch\ntorch.load(f, weights_only=False)", "torch.load"),
        ("import numpy as np\nnp.load(f, allow_pickle=True)", "np.load"),
        ("import subprocess\nsubprocess.run(c, shell=True)", "subprocess.run"),
        ("import yaml\nyaml.load(f, Loader=L)", "yaml.load"),
        ("eval('1')", "eval"),
    ],
)
def test_the_check_finds_each_of_them(code: str, call: str) -> None:
    assert [found for _, found, _ in faults(ast.parse(code))] == [call]


@pytest.mark.parametrize(
    "code",
    [
        "import torch\ntorch.load(f, weights_only=True)",
        "import numpy as np\nnp.load(f)",
        "import subprocess\nsubprocess.run(['ls'])",
        "import yaml\nyaml.safe_load(f)",
        "model.eval()",
    ],
)
def test_the_check_lets_the_safe_forms_pass(code: str) -> None:
    assert not list(faults(ast.parse(code)))
