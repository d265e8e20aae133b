"""The file of raw samples survives whatever kills its writer."""

import errno
import fcntl
import threading

import pytest

from nas.runner.errors import RunnerError
from nas.runner.protocol import Window
from nas.runner.samples import SampleFile, read_samples

HEADER = {"kit": "abc", "device": {"name": "toy"}}
WINDOWS = [Window("a", 0, 1.5, 10, (1.25, 1.5), 0.1), Window("b", 0, 2.5, 1, (1000.0, 1001.0), 0.2, 0.5)]


@pytest.fixture
def written(tmp_path):
    file = SampleFile(tmp_path / "samples.jsonl", header=HEADER)
    for window in WINDOWS:
        file.append(window)
    file.close()
    return tmp_path / "samples.jsonl"


def test_windows_are_read_back(written):
    header, windows = read_samples(written)
    assert header == {"format": 1, "unit": "us", **HEADER}
    assert windows == WINDOWS


def test_a_cut_off_line_is_dropped_and_writing_goes_on(written):
    content = written.read_bytes()
    written.write_bytes(content[:-20])
    assert read_samples(written)[1] == WINDOWS[:1]
    file = SampleFile(written, header=HEADER)
    assert file.windows == WINDOWS[:1]
    file.append(WINDOWS[1])
    file.close()
    assert written.read_bytes() == content


def test_a_file_cut_off_in_its_first_line_starts_anew(written):
    written.write_bytes(written.read_bytes()[:10])
    SampleFile(written, header=HEADER).close()
    assert read_samples(written)[1] == []


def test_a_damaged_line_in_the_middle_is_an_error(written):
    lines = written.read_bytes().split(b"\n")
    lines[1] = lines[1][:15]
    written.write_bytes(b"\n".join(lines))
    with pytest.raises(RunnerError, match=r"is damaged .* delete it and measure again"):
        SampleFile(written, header=HEADER)


def test_a_file_of_another_kit_is_an_error(written):
    with pytest.raises(RunnerError, match=r"was measured with kit = 'abc', this is 'def'; delete it or"):
        SampleFile(written, header={**HEADER, "kit": "def"})


def test_two_processes_cannot_measure_into_one_file(written):
    first = SampleFile(written, header=HEADER)
    with pytest.raises(RunnerError, match="another process is measuring into"):
        SampleFile(written, header=HEADER)
    first.close()
    SampleFile(written, header=HEADER).close()


def test_a_process_that_is_about_to_end_is_waited_for(written):
    first = SampleFile(written, header=HEADER)
    end = threading.Timer(0.4, first.close)
    end.start()
    second = SampleFile(written, header=HEADER)
    end.join()
    assert second.windows == WINDOWS
    second.close()


def test_a_file_system_without_locks_does(written, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    file = SampleFile(written, header=HEADER)
    assert file.windows == WINDOWS
    file.close()


@pytest.mark.parametrize(
    "text", ["a note without an end", '{"format": 1, "unit": "us", "kit": "def"}\n{"entry']
)
def test_a_file_of_something_else_is_not_touched(tmp_path, text):
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(RunnerError, match="choose another file"):
        SampleFile(path, header=HEADER)
    assert path.read_text() == text
