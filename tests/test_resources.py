from __future__ import annotations

from pathlib import Path

import pytest

from nas import resources
from nas.errors import UserError


def find(name: str | Path) -> Path:
    return resources.find("search_spaces", name, ".yaml", what="search space")


def test_our_own_are_found_from_any_folder(own_folder: Path) -> None:
    assert find("tiny_32").name == "tiny_32.yaml"
    assert "tiny_32" in resources.names("search_spaces", ".yaml")


def test_the_users_folder_comes_first(own_folder: Path) -> None:
    (own_folder / "search_spaces").mkdir()
    mine = own_folder / "search_spaces" / "tiny_32.yaml"
    mine.write_text("")
    (own_folder / "search_spaces" / "other.yaml").write_text("")
    assert find("tiny_32") == mine
    assert {"other", "tiny_32", "ofa_mobilenet_v3"} <= set(resources.names("search_spaces", ".yaml"))


def test_a_path_is_taken_as_it_is(own_folder: Path) -> None:
    (own_folder / "x.yaml").write_text("")
    assert find("x.yaml") == Path("x.yaml")
    assert find(own_folder / "x.yaml") == own_folder / "x.yaml"


def test_a_path_to_nothing_is_an_error_that_lists_the_names(own_folder: Path) -> None:
    with pytest.raises(UserError, match=r"file no/x\.yaml does not exist; .*tiny_32"):
        find("no/x.yaml")


def test_an_unknown_name_is_an_error_with_the_nearest(own_folder: Path) -> None:
    with pytest.raises(UserError, match=r"unknown search space 'tiny_23'; did you mean tiny_"):
        find("tiny_23")


@pytest.mark.parametrize("folder", ["conf", "search_spaces", "latency_tables"])
def test_what_travels_with_the_package_is_there(folder: str) -> None:
    assert resources.shipped(folder).is_dir()
