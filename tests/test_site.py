"""The documentation builds strictly, opens from disk, asks no other host, and its reference is complete."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from nas.cli.commands import COMMANDS
from nas.cli.hydra import schema
from nas.config import TRACKERS, Config
from tests.documents import ROOT

_LOADS = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


class _Loads(HTMLParser):
    """Collects what a browser loads with a page."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        url = dict(attrs).get(_LOADS.get(tag, ""))
        if url:
            self.urls.append(url)


def test_a_page_loads_files_beside_it_only(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        loads = _Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        assert len(loads.urls) > 3, page
        for url in loads.urls:
            path = url.split("#")[0].split("?")[0]
            if page.name != "404.html":  # a server shows it at any place: its links begin at the root
                assert (page.parent / path).is_file(), f"{page.relative_to(site)} loads {url}"
            assert "//" not in url, f"{page.relative_to(site)} loads {url}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), (
            sheet
        )


def test_the_search_works_without_a_server(site: Path) -> None:
    index = (site / "search/search_index.js").read_text(encoding="utf-8")
    assert index.startswith("var __index = {") and "measure.pyz" in index
    assert "assets/iframe-worker.js" in (site / "index.html").read_text(encoding="utf-8")


def leaves(values: Any, prefix: str = "") -> Iterator[str]:
    """The full names of all settings; a part that takes any names is one."""
    for key in values:
        value = None if OmegaConf.is_missing(values, key) else values[key]
        is_part = OmegaConf.is_dict(value) and OmegaConf.get_type(value) is not dict
        yield from leaves(value, f"{prefix}{key}.") if is_part else (f"{prefix}{key}",)


@pytest.fixture(scope="module")
def settings() -> list[str]:
    schema.register()
    with initialize_config_dir(schema.conf_dir(), version_base=schema.VERSION_BASE):
        kinds = [hydra_compose(schema.CONFIG_NAME, [f"tracker={name}"]) for name in TRACKERS]
        return list(dict.fromkeys(name for kind in kinds for name in leaves(kind)))


def test_the_reference_has_every_setting(site: Path, settings: list[str]) -> None:
    assert len(settings) > 150 and "device.provider_options" in settings
    text = (site / "reference/settings.html").read_text(encoding="utf-8")
    assert [name for name in settings if f"<code>{name}</code>" not in text] == []


def test_the_text_for_assistants_has_every_command_setting_and_page(site: Path, settings: list[str]) -> None:
    text = (site / "llms.txt").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"- `nas {name}`: " not in text] == []
    assert [name for name in settings if f"- `{name}=" not in text] == []
    pages = re.findall(r"^- \[.+\]\((.+)\)$", text, re.MULTILINE)
    assert sorted(pages) == sorted(
        page.relative_to(site).as_posix() for page in site.rglob("*.html") if page.name != "404.html"
    )
    assert "<!--" not in text


def test_the_reference_has_every_public_name(site: Path) -> None:
    import nas.latency
    import nas.search
    import nas.space

    for module, page in ((nas.latency, "latency"), (nas.search, "search"), (nas.space, "space")):
        text = (site / f"reference/python/{page}.html").read_text(encoding="utf-8")
        missing = [
            name
            for name in module.__all__
            if inspect.isroutine(getattr(module, name)) or inspect.isclass(getattr(module, name))
            if not re.search(rf'id="[\w.]+\.{name}"', text)
        ]
        assert missing == [], module.__name__


def test_the_parts_of_the_configuration_have_an_anchor_each(site: Path) -> None:
    text = (site / "reference/settings.html").read_text(encoding="utf-8")
    for part in ("compute", "data", "device", "train", "search", "export"):
        assert part in Config.__annotations__ and f'id="{part}"' in text
