from __future__ import annotations

import errno
import hashlib
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.files import (
    atomic,
    copy,
    read_csv,
    read_json,
    read_text,
    refused_write,
    sha256,
    write_json,
    write_text,
)


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


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": 1')
    with pytest.raises(UserError, match=r"x\.json is not valid JSON"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("text", "line"), [("a,b\n1,2\n3\n", 3), ("a,b\n1,2,3\n", 2), ("a\n\n1,2\n", 3), ("a,b\n1,2\n3,4,\n", 3)]
)
def test_a_row_that_does_not_suit_its_header_is_named(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "some.csv").write_text(text)
    with pytest.raises(UserError, match=rf"some\.csv .*line {line} has more or fewer cells than the header"):
        read_csv(tmp_path / "some.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_text_is_read_with_and_without_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "x.json").write_text('{"a": "ü"}', encoding=encoding)
    assert read_text(tmp_path / "x.json") == '{"a": "ü"}'
    assert read_json(tmp_path / "x.json") == {"a": "ü"}


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("utf-16", r"x\.json is encoded in UTF-16 or is no text; save it in UTF-8"),
        ("utf-16-le", r"x\.json is encoded in UTF-16"),
        ("utf-32", r"x\.json is encoded in UTF-16"),
        ("latin-1", r"x\.json, line 2: byte 0xfc is not UTF-8; the file seems to be encoded in Latin-1"),
    ],
)
def test_another_encoding_is_named(tmp_path: Path, encoding: str, message: str) -> None:
    (tmp_path / "x.json").write_text('{"a":\n"ü"}', encoding=encoding)
    with pytest.raises(UserError, match=message):
        read_json(tmp_path / "x.json")


def save_tensors(path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(10_000)}, path)


def zip_up(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", bytes(80_000))


@pytest.mark.parametrize("write", [save_tensors, zip_up, lambda path: path.write_bytes(bytes(80_000))])
def test_a_disk_that_takes_no_more_is_one_error_with_the_path(
    tmp_path: Path, files_up_to: Callable, write: Callable[[Path], object]
) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with (
        pytest.raises(OSError, match="File too large") as caught,
        files_up_to(4096),
        atomic(path) as temporary,
    ):
        write(temporary)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_copy_is_complete_or_absent(tmp_path: Path, files_up_to: Callable) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(80_000))
    with pytest.raises(OSError, match="File too large"), files_up_to(4096):
        copy(source, target)
    assert list(tmp_path.iterdir()) == [source]
    copy(source, target)
    assert target.read_bytes() == source.read_bytes()


def test_a_refused_write_is_found_among_the_causes_of_an_error() -> None:
    refusal = OSError(errno.EROFS, "Read-only file system")
    error = RuntimeError("the training failed")
    assert refused_write(error) is None
    error.__cause__ = ValueError("the weights were not saved")
    error.__cause__.__context__ = refusal
    assert refused_write(error) is refusal
    assert refused_write(FileNotFoundError(errno.ENOENT, "No such file")) is None


def test_an_error_that_is_its_own_cause_has_an_end() -> None:
    first, second = KeyError("first"), KeyError("second")
    first.__cause__, second.__context__ = second, first  # as OmegaConf raises some of its errors
    assert refused_write(first) is None
    second.__cause__ = refusal = OSError(errno.ENOSPC, "No space left on device")
    assert refused_write(first) is refusal


def test_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    assert sha256(tmp_path / "x") == hashlib.sha256(b"content").hexdigest()
