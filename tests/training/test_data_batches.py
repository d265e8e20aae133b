"""Batches: order, size, normalization, and independence from workers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.errors import UserError
from nas.runner.machine import usable_cores
from nas.training.data import (
    WHOLE,
    Augment,
    FileImages,
    Images,
    MemoryImages,
    Normalization,
    Share,
    batches,
    decoders,
)

CPU = torch.device("cpu")
EVERY_CHANGE = Augment(crop_padding=0.25, resized_crop=(0.5, 1.0), rand_augment=2, erase=0.5)
PLAIN = Normalization(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def memory(count: int = 23, side: int = 8) -> MemoryImages:
    rng = torch.Generator().manual_seed(0)
    return MemoryImages(
        labels=torch.arange(count),
        pixels=torch.randint(256, (count, 3, side, side), generator=rng, dtype=torch.uint8),
    )


@pytest.fixture
def files(tmp_path: Path) -> FileImages:
    rng = np.random.default_rng(0)
    paths = []
    for i in range(23):
        paths.append(str(tmp_path / f"{i:02}.png"))
        Image.fromarray(rng.integers(0, 256, (20 + i, 30, 3), dtype=np.uint8)).save(paths[-1])
    return FileImages(labels=torch.arange(23), paths=tuple(paths), color_channels=3)


def run(
    images: Images,
    *,
    seed: int | None = None,
    augment: Augment | None = None,
    workers: int = 0,
    resolution: int = 8,
    drop_last: bool = False,
    normalize: Normalization = PLAIN,
    first: int = 0,
    share: Share = WHOLE,
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    rng = None if seed is None else torch.Generator().manual_seed(seed)
    return list(
        batches(
            images,
            batch_size=5,
            resolution=resolution,
            device=CPU,
            normalize=normalize,
            augment=augment,
            rng=rng,
            drop_last=drop_last,
            workers=workers,
            first=first,
            share=share,
        )
    )


def test_without_a_generator_images_come_in_order_and_unchanged() -> None:
    images = memory()
    result = run(images)
    assert [len(y) for _, y in result] == [5, 5, 5, 5, 3]
    assert torch.cat([y for _, y in result]).tolist() == list(range(23))
    assert torch.equal((torch.cat([x for x, _ in result]) * 255).round().to(torch.uint8), images.pixels)


def test_with_a_generator_every_image_comes_once_shuffled() -> None:
    images = memory()
    result = run(images, seed=0)
    labels = torch.cat([y for _, y in result])
    assert labels.tolist() != list(range(23))
    assert sorted(labels.tolist()) == list(range(23))
    first, label = result[0][0][0], int(result[0][1][0])
    assert torch.allclose(first * 255, images.pixels[label].float(), atol=0.01)


def test_images_print_short() -> None:
    assert repr(memory()) == "MemoryImages(23 images, 3 channels)"


def test_two_passes_of_one_generator_differ() -> None:
    rng = torch.Generator().manual_seed(0)
    orders = [
        torch.cat(
            [
                y
                for _, y in batches(
                    memory(), batch_size=5, resolution=8, device=CPU, normalize=PLAIN, rng=rng
                )
            ]
        ).tolist()
        for _ in range(2)
    ]
    assert orders[0] != orders[1]


def test_drop_last_leaves_out_the_incomplete_batch() -> None:
    assert [len(y) for _, y in run(memory(), drop_last=True)] == [5, 5, 5, 5]


@pytest.mark.parametrize("resolution", [4, 8, 13])
def test_shape_type_and_layout(resolution: int) -> None:
    for x, y in run(memory(), seed=0, augment=Augment(), resolution=resolution):
        assert x.shape[1:] == (3, resolution, resolution)
        assert x.dtype == torch.float32
        assert y.dtype == torch.int64
        assert x.is_contiguous(memory_format=torch.channels_last)


def test_normalized_training_images_have_mean_0_and_deviation_1() -> None:
    images = memory(200)
    normalize = Normalization.measure(images, seed=0)
    x = torch.cat([x for x, _ in run(images, normalize=normalize)])
    assert torch.allclose(x.mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(x.std((0, 2, 3)), torch.ones(3), atol=1e-3)


def test_normalization_measures_at_most_the_limit_and_obeys_the_seed() -> None:
    images = memory(200)
    few = Normalization.measure(images, seed=0, limit=10)
    assert few == Normalization.measure(images, seed=0, limit=10)
    assert few != Normalization.measure(images, seed=1, limit=10)
    assert few.mean == pytest.approx(Normalization.measure(images, seed=0).mean, abs=0.1)


def test_uniform_images_are_not_divided_by_zero() -> None:
    black = MemoryImages(
        labels=torch.zeros(4, dtype=torch.int64), pixels=torch.zeros(4, 1, 6, 6, dtype=torch.uint8)
    )
    normalize = Normalization.measure(black, seed=0)
    ((x, _),) = run(black, normalize=normalize, resolution=6)
    assert torch.equal(x, torch.zeros(4, 1, 6, 6))


def test_augmented_passes_repeat_with_the_same_seed() -> None:
    augment = Augment(resized_crop=(0.2, 1.0))
    first, second = (run(memory(), seed=7, augment=augment) for _ in range(2))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, second, strict=True))


def test_augmentation_needs_a_generator() -> None:
    with pytest.raises(AssertionError, match="random generator"):
        run(memory(), augment=Augment())


@pytest.mark.parametrize("augment", [None, Augment(), Augment(resized_crop=(0.1, 1.0))])
def test_files_give_the_same_batches_with_any_number_of_workers(
    files: FileImages, augment: Augment | None
) -> None:
    here = run(files, seed=0, augment=augment, resolution=16)
    there = run(files, seed=0, augment=augment, resolution=16, workers=2)
    for (x, y), (other_x, other_y) in zip(here, there, strict=True):
        assert torch.equal(x, other_x)
        assert torch.equal(y, other_y)
        assert x.shape[1:] == (3, 16, 16)


def test_workers_leave_the_global_generator_alone(files: FileImages) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    run(files, seed=0, workers=1)
    assert torch.equal(torch.rand(1), expected)


def test_files_on_disk_equal_files_in_memory(files: FileImages) -> None:
    cached = files.decoded(size=16, workers=0, progress=lambda done, total: None)
    for (x, _), (other, _) in zip(run(files, resolution=16), run(cached, resolution=16), strict=True):
        assert torch.equal(x, other)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_breaks_later_is_named(files: FileImages, workers: int) -> None:
    Path(files.paths[7]).write_bytes(b"no image")
    with pytest.raises(UserError, match=r"07\.png cannot be read .*remove it or replace it") as caught:
        run(files, workers=workers)
    assert "Traceback" not in str(caught.value)


def test_an_image_that_disappears_is_named(files: FileImages) -> None:
    Path(files.paths[7]).unlink()
    with pytest.raises(UserError, match=r"07\.png has disappeared"):
        run(files)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("augment", [None, Augment(), Augment(resized_crop=(0.2, 1.0))])
def test_a_gpu_gives_the_same_batches(augment: Augment | None) -> None:
    images, cuda = memory(), torch.device("cuda")
    for kept in (images, images.to(cuda)):
        rng = torch.Generator().manual_seed(3)
        there = batches(
            kept, batch_size=5, resolution=6, device=cuda, normalize=PLAIN, augment=augment, rng=rng
        )
        for (x, y), (other_x, other_y) in zip(
            there, run(images, seed=3, augment=augment, resolution=6), strict=True
        ):
            assert x.device.type == "cuda"
            assert torch.allclose(x.cpu(), other_x, atol=1e-3)
            assert torch.equal(y.cpu(), other_y)


def test_images_stay_on_the_host_where_a_gpu_lacks_room(monkeypatch: pytest.MonkeyPatch) -> None:
    images = memory()
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (images.pixels.nbytes * 2, 10**12))
    assert images.to(torch.device("cuda")) is images


def test_only_many_files_are_decoded_by_several_processes_unless_asked(files: FileImages) -> None:
    many = replace(files, labels=files.labels.repeat(100), paths=files.paths * 100)
    assert [decoders(images, None) for images in (files, memory(), many)] == [0, 0, usable_cores()]
    assert [decoders(images, 3) for images in (files, memory(), many)] == [3, 3, 3]


@pytest.mark.parametrize("kind", ["memory", "files"])
def test_a_pass_that_was_interrupted_goes_on_with_the_same_images(kind: str, files: FileImages) -> None:
    images = memory() if kind == "memory" else files
    whole, rest = (run(images, seed=3, augment=EVERY_CHANGE, first=first) for first in (0, 2))
    assert len(whole) == 5 and len(rest) == 3
    for (x, y), (x_again, y_again) in zip(whole[2:], rest, strict=True):
        assert torch.equal(x, x_again) and torch.equal(y, y_again)
    assert run(images, seed=3, first=5) == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_shares_of_a_batch_make_the_batch(count: int) -> None:
    whole = run(memory(), seed=3, augment=EVERY_CHANGE)
    parts = [
        run(memory(), seed=3, augment=EVERY_CHANGE, share=Share(index=i, count=count)) for i in range(count)
    ]
    for batch, pieces in zip(whole, zip(*parts, strict=True), strict=True):
        sizes = [len(y) for _, y in pieces]
        assert max(sizes) - min(sizes) <= 1
        torch.testing.assert_close(torch.cat([x for x, _ in pieces]), batch[0])
        assert torch.equal(torch.cat([y for _, y in pieces]), batch[1])
