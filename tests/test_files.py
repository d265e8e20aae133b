from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.files import atomic, read_json, sha256, write_json, write_text


def test_json_comes_back_as_it_was_written(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, "ü"], "b": {"c": True}}
    write_json(tmp_path / "deep" / "x.json", value)
    assert read_json(tmp_path / "deep" / "x.json") == value


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic(path) as temporary:  # noqa: PT012
        temporary.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_file_keeps_the_suffix_and_lies_in_the_same_folder(tmp_path: Path) -> None:
    with atomic(tmp_path / "model.onnx") as temporary:
        assert temporary.suffix == ".onnx"
        assert temporary.parent == tmp_path


def test_others_may_read_what_was_written(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o644


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no\.json does not exist"):
        read_json(tmp_path / "no.json")


@pytest.mark.parametrize("content", [b'{"a": 1', b"\xff\xfe\x00"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.json is not valid JSON"):
        read_json(tmp_path / "x.json")


def test_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    assert sha256(tmp_path / "x") == hashlib.sha256(b"content").hexdigest()
