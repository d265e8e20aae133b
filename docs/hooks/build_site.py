"""Adds what the site does not hold as files: tables from the code, pages of the repository, ``llms.txt``."""

from __future__ import annotations

from pathlib import Path

import llms
import reference_pages
import repository_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page


def on_files(files: Files, /, *, config: MkDocsConfig) -> Files:
    """Adds the repository's pages with their pictures, and fills in ``llms.txt``."""
    for name, path in repository_pages.files(_root(config)).items():
        files.append(File.generated(config, name, abs_src_path=str(path)))
    template = files.get_file_from_path("llms.txt")
    assert template is not None and config.nav is not None
    files.remove(template)
    text = llms.filled(template.content_string, llms.links(config.nav))
    files.append(File.generated(config, "llms.txt", content=text))
    return files


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fills in the tables, and leads links between the repository's files to their pages."""
    return repository_pages.relinked(reference_pages.filled(markdown), page.file.src_uri, _root(config))


def _root(config: MkDocsConfig) -> Path:
    assert config.config_file_path is not None
    return Path(config.config_file_path).parent
