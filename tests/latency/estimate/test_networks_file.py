"""Files of whole networks: what is understood, and what is refused with its line."""

import numpy as np
import pytest

from nas.errors import UserError
from nas.hardware import Device, roofline_ms
from nas.latency.estimate.networks_file import check_unit, read_networks
from nas.latency.estimate.whole_networks import fit_networks

PHONE = Device(name="phone", peak_flops={"fp32": 1e11}, bandwidth_bytes_per_s=1e10)


@pytest.fixture(scope="module")
def codes(tiny_space):
    return list(
        dict.fromkeys(map(str, tiny_space.decode(tiny_space.sample_many(12, np.random.default_rng(0)))))
    )


def in_roofs(space, codes, *, times):
    """The latencies of networks as multiples of what the phone's peaks allow."""
    networks = [space.network(space.parse(code), classes=10) for code in codes]
    return [times * roofline_ms(network.blocks, device=PHONE) for network in networks]


def write(path, codes, latency_ms, *, row="{code},{ms}", head="architecture,latency_ms", encoding="utf-8"):
    lines = [row.format(code=code, ms=f"{ms:.6f}") for code, ms in zip(codes, latency_ms, strict=True)]
    path.write_text("\n".join([head, *lines]) + "\n", encoding=encoding)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1: no column architecture and no column latency_ms; the first line must name"),
        ("architecture,ms\nx,1\n", r"line 1: no column latency_ms"),
        ("architecture,latency_ms\nnonsense,1\n", r"line 2: .*nonsense"),
        ("architecture,latency_ms\n{a},1\n{a},2\n", r"line 3: .* stands in line 2 already"),
        ("architecture,latency_ms\n{a},-1\n", r"line 2: latency_ms is -1; it must be a positive number"),
        ("architecture,latency_ms\n{a},inf\n", r"line 2: latency_ms is inf; it must be a positive number"),
        ("architecture,latency_ms\n\n{a},fast\n", r"line 3: latency_ms is 'fast'; it must be a number"),
        ("architecture,latency_ms\n{a}\n", r"line 2: the line has 1 field, the first line names 2$"),
        (
            "architecture,latency_ms\n{a},2,0615\n",
            r"line 2: the line has 3 fields, .* names 2; write numbers with a decimal point",
        ),
        ('architecture,latency_ms\n{a},"2,0615"\n', r"line 2: latency_ms is '2,0615'; it must be a number"),
        ("architecture;latency_ms\n{a};1.234,5\n", r"line 2: latency_ms is '1.234,5'; it must be a number"),
        ('architecture,latency_ms\n{a},"1\n' + "x" * 200_000, r"line \d: .*a quotation mark may be missing"),
        ("architecture,latency_ms\n{a},1\n", r"has 1 networks; a table needs at least 8"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_line(tiny_space, tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text.format(a=tiny_space.smallest()), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_networks(tiny_space, path)


def test_a_file_that_is_not_there(tiny_space, tmp_path):
    with pytest.raises(UserError, match=r"cannot be read \(No such file or directory\); name a CSV file"):
        read_networks(tiny_space, tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("architecture,latency_ms", "{code},{ms}"),
        ("architecture;latency_ms", "{code};{ms}"),
        ("architecture\tlatency_ms\tnote", "{code}\t{ms}\tof July, at night"),
        ("\ufefflatency_ms , architecture", '{ms}, "{code}"'),
        ('"note, if any", "latency_ms", "architecture"', '"none, so far", "{ms}", "{code}"'),
    ],
)
def test_commas_semicolons_and_tabs_separate_columns(tiny_space, codes, tmp_path, head, row):
    path = write(tmp_path / "phone.csv", codes, np.arange(1, 1 + len(codes)), head=head, row=row)
    found = read_networks(tiny_space, path)
    assert found.latency_ms.tolist() == list(range(1, 1 + len(codes)))
    assert list(map(str, tiny_space.decode(found.rows))) == codes
    assert found.lines == tuple(range(2, 2 + len(codes)))


def test_a_decimal_comma_is_understood_where_commas_separate_nothing(tiny_space, codes, tmp_path):
    path = write(
        tmp_path / "phone.csv",
        codes,
        [2.0615] * len(codes),
        head="architecture;latency_ms",
        row="{code};{ms}",
    )
    path.write_text(path.read_text().replace(".", ","))
    assert set(read_networks(tiny_space, path).latency_ms) == {2.0615}


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("utf-16", r"phone.csv is encoded in UTF-16 or is no text; save it in UTF-8"),
        ("utf-16-le", r"phone.csv is encoded in UTF-16"),
        ("latin-1", r"phone.csv, line 2: byte 0xe4 is not UTF-8; the file seems to be encoded in Latin-1"),
    ],
)
def test_another_encoding_is_named(tiny_space, codes, tmp_path, encoding, message):
    row, head = "{code},{ms},Gerät", "architecture,latency_ms,note"
    path = write(tmp_path / "phone.csv", codes, [1.0] * len(codes), head=head, row=row, encoding=encoding)
    with pytest.raises(UserError, match=message):
        read_networks(tiny_space, path)


def test_seconds_are_not_taken_for_milliseconds(tiny_space, codes, tmp_path):
    path = write(tmp_path / "phone.csv", codes, in_roofs(tiny_space, codes, times=3e-3))
    with pytest.raises(
        UserError, match=r"line 2: latency_ms is .*phone takes at least .*\(are these seconds\?\)"
    ):
        fit_networks(tiny_space, path, device=PHONE, classes=10)
    open_peaks = Device(name="phone")
    fit_networks(tiny_space, path, device=open_peaks, classes=10)
    with pytest.raises(UserError, match=r"; 12 of 12 lines are like this"):
        fit_networks(tiny_space, path, device=open_peaks, peaks=PHONE, classes=10)


def test_one_line_in_seconds_is_named_and_a_cache_faster_than_memory_is_believed(tiny_space, codes, tmp_path):
    latency_ms = in_roofs(tiny_space, codes, times=0.2)
    path = write(tmp_path / "phone.csv", codes, latency_ms)
    sizes = {"device": PHONE, "classes": 10, "input_channels": None}
    check_unit(tiny_space, read_networks(tiny_space, path), path, **sizes)
    latency_ms[5] *= 1e-3
    write(path, codes, latency_ms)
    with pytest.raises(UserError, match=r"line 7: .*; 1 of 12 lines are like this"):
        check_unit(tiny_space, read_networks(tiny_space, path), path, **sizes)
