"""The notebook in examples/ runs from top to bottom."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.documents import ROOT


@pytest.mark.long
def test_the_notebook_runs_and_writes_its_files(tmp_path: Path) -> None:
    notebook = nbformat.read(ROOT / "examples" / "pareto_front.ipynb", as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "runs/notebook/winner.onnx").is_file()
    assert (tmp_path / "runs/notebook/front.svg").is_file()
