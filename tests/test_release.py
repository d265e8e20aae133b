"""A version is stated in several places, and all of them agree."""

from __future__ import annotations

import re

import yaml

import nas
from tests.documents import ROOT


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_changelog_and_citation_state_the_version() -> None:
    sections = re.findall(r"^## (.*)$", read("CHANGELOG.md"), re.MULTILINE)
    released = [section for section in sections if section != "Unreleased"]
    assert sections.index(released[0]) <= 1
    version, date = re.fullmatch(r"(\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)", released[0]).groups()
    citation = yaml.safe_load(read("CITATION.cff"))
    assert nas.__version__ == version == citation["version"]
    assert str(citation["date-released"]) == date


def test_citation_has_what_the_format_requires() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_hooks_run_what_make_runs_and_download_nothing() -> None:
    [repository] = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    makefile = read("Makefile")
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        tool = hook["entry"].removesuffix(" --force-exclude").replace(".venv/bin/", "$(BIN)/")
        assert f"\t{tool}" in makefile, tool
