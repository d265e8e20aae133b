"""What CONTRIBUTING.md shows works, in another folder and without touching ``nas/``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.space import SearchSpace

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```(?:yaml|python)\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the text names in their first line."""
    for example in EXAMPLES:
        if name := re.match(r"# (\S+)\n", example):
            path = tmp_path / name[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(example, encoding="utf-8")
    return tmp_path


def run(code: str, folder: Path) -> str:
    """Runs code in a new process, in a folder of the user's."""
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_text_s_space_and_kind_run_in_a_supernet(folder: Path) -> None:
    assert sorted(path.name for path in (folder / "search_spaces").iterdir()) == ["mine.yaml", "my_blocks.py"]
    assert "conv_excite(in_channels=16," in run(EXAMPLES[-1], folder)


def test_the_text_s_space_states_its_size_and_offers_nothing_useless(folder: Path) -> None:
    code = "from nas.space import SearchSpace\ns = SearchSpace.load('mine')\nprint(s.size == s.stated_size, s.warnings())"
    assert run(code, folder).strip() == "True ()"


def test_a_module_that_is_not_there(folder: Path) -> None:
    (folder / "search_spaces" / "my_blocks.py").unlink()
    with pytest.raises(UserError, match=r"mine.yaml: module 'my_blocks' cannot be found; put my_blocks.py beside"):
        SearchSpace.load(folder / "search_spaces" / "mine.yaml")


def test_modules_that_are_no_list(folder: Path) -> None:
    path = folder / "search_spaces" / "mine.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("[my_blocks]", "my_blocks"), encoding="utf-8")
    with pytest.raises(UserError, match="'modules' is 'my_blocks'; it is a list of names of Python modules"):
        SearchSpace.load(path)
