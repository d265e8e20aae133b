"""A finished run that several files copy."""

from __future__ import annotations

import pytest

from tests.cli.steps.test_cli_pipeline import Run, write_project
from tests.pretrained.conftest import lite0

__all__ = ["lite0"]

SETTINGS = ("experiment=mini", "table.missing=estimate", "finish.workers=1", "export.formats=[onnx]")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with ``SETTINGS``; copy its folder before you change anything."""
    folder = tmp_path_factory.mktemp("project")
    write_project(folder)
    code, out, err = Run(folder, "").nas("run", *SETTINGS)
    assert code == 0, err
    return Run(folder, out)
