"""What tests of several parts use."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.hydra import Hydra
from hypothesis import settings

from nas.files import cache_folder

settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")


LONGEST = ("test_documents.py", "contracts/test_samplers.py")
"""Files that take minutes. They begin first: one that began last would keep one of the processes waiting."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests of the longest files in front, and gives each long test three hours."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONGEST))
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.timeout(3 * 3600))


@pytest.fixture(scope="session", autouse=True)
def _configurations_are_composed_once() -> Iterator[None]:
    """Hydra composes every configuration twice, the first time only to read ``hydra.mode``.

    That takes a third of a second for each of hundreds of commands. ``None`` is the mode of a configuration
    that sets none, which is the case unless an override names a setting of Hydra. Commands in processes of
    their own compose twice.
    """
    get_mode = Hydra.get_mode

    def mode(self: Hydra, config_name: str | None, overrides: list[str]) -> Any:
        return get_mode(self, config_name, overrides) if "hydra" in "".join(overrides) else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hydra, "get_mode", mode)
        yield


@pytest.fixture(scope="session", autouse=True)
def _speeds_are_those_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The usual speed of this machine is not read from the user's cache, nor written there.

    Converters that the user has installed there are used.
    """
    installed = cache_folder() / "environments"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        if installed.is_dir():
            cache_folder().mkdir()
            (cache_folder() / "environments").symlink_to(installed)
        yield


@pytest.fixture(scope="session")
def _imported_libraries_are_not_collected() -> None:
    """Keeps the garbage collector from walking over torch's million objects again and again.

    A sixth of the time of a command in this process goes there.
    """
    import nas.cli.commands  # noqa: F401 - imports what every command imports

    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the test works in, as a user would."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def files_up_to() -> Callable[[int], AbstractContextManager[None]]:
    """Lets no file of this process grow beyond so many bytes, as on a full disk."""
    resource = pytest.importorskip("resource", reason="only Unix limits the sizes of files")

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        with pytest.MonkeyPatch.context() as patch:
            # A module that is imported meanwhile would leave bytecode that is cut off.
            patch.setattr(sys, "dont_write_bytecode", True)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
            try:
                yield
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


@pytest.fixture
def unread_pipe() -> Iterator[int]:
    """The writing end of a pipe whose reader is gone, as that of ``| head`` is soon."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.fixture
def nas(
    own_folder: Path, capsys: pytest.CaptureFixture[str], _imported_libraries_are_not_collected: None
) -> Callable[..., Outcome]:
    """Runs ``nas ...`` in this process, in an empty folder."""
    from nas.cli.__main__ import main

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 1
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return run
