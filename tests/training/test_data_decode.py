"""Single images: modes, transparency, depth, orientation, and the crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.errors import UserError
from nas.training.data.decode import center_box, decode, examine


def saved(image: Image.Image, path: Path) -> str:
    image.save(path)
    return str(path)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_mode_gives_the_same_grey(tmp_path: Path, mode: str, channels: int) -> None:
    white = Image.new("L", (10, 14), 255)
    if mode == "I;16":
        image = Image.fromarray(np.full((14, 10), 65535, dtype=np.uint16))
    else:
        image = white.convert("RGB").convert(mode) if mode in ("P", "CMYK", "YCbCr") else white.convert(mode)
    suffix = "tiff" if mode in ("CMYK", "YCbCr") else "png"
    pixels = decode(saved(image, tmp_path / f"x.{suffix}"), channels=channels, size=6, box=center_box)
    assert pixels.shape == (channels, 6, 6)
    assert pixels.min() >= 254


def test_16_bits_are_scaled(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.full((8, 8), 32768, dtype=np.uint16)), tmp_path / "x.png")
    assert np.unique(decode(path, channels=1, size=8, box=center_box)).tolist() == [127]


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.ones((8, 8), dtype=np.float32)), tmp_path / "x.tiff")
    with pytest.raises(UserError, match=r"x\.tiff cannot be read \(its pixels are floating-point"):
        decode(path, channels=1, size=8, box=center_box)


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    pixels = decode(saved(clear, tmp_path / "x.png"), channels=3, size=8, box=center_box)
    assert pixels.min() == 255


def test_orientation_of_photographs_is_obeyed(tmp_path: Path) -> None:
    image = Image.fromarray(np.repeat(np.array([[0, 255]], dtype=np.uint8), 8, axis=0).repeat(4, axis=1))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90 degrees
    image.save(tmp_path / "x.png", exif=exif)
    pixels = decode(str(tmp_path / "x.png"), channels=1, size=8, box=center_box)[0]
    assert pixels[0].max() == 0
    assert pixels[-1].min() == 255


def test_the_centre_of_the_longer_side_is_kept(tmp_path: Path) -> None:
    wide = np.zeros((10, 30), dtype=np.uint8)
    wide[:, 10:20] = 200
    pixels = decode(saved(Image.fromarray(wide), tmp_path / "x.png"), channels=1, size=10, box=center_box)
    assert pixels.min() == 200


def test_center_box_of_a_fraction() -> None:
    assert center_box(100, 60, fraction=0.5) == (35, 15, 65, 45)


def test_small_pictures_are_enlarged(tmp_path: Path) -> None:
    path = saved(Image.new("RGB", (3, 5), (7, 8, 9)), tmp_path / "x.png")
    assert np.unique(decode(path, channels=3, size=16, box=center_box)).tolist() == [7, 8, 9]


def test_large_photographs_are_read_at_reduced_detail(tmp_path: Path) -> None:
    gradient = np.linspace(0, 255, 2000).astype(np.uint8)[None].repeat(1500, axis=0)
    path = saved(Image.fromarray(gradient), tmp_path / "x.jpg")
    pixels = decode(path, channels=1, size=10, box=center_box)[0, 0].astype(int)
    expected = 255 * (250 + (np.arange(10) + 0.5) * 150) / 2000
    assert np.abs(pixels - expected).max() < 3


def test_examine_finds_median_side_and_colour(tmp_path: Path) -> None:
    paths = [saved(Image.new("L", (side, 100)), tmp_path / f"{side}.png") for side in (10, 20, 30)]
    assert examine(paths) == (20, 1)
    paths.append(saved(Image.new("RGB", (40, 40)), tmp_path / "c.png"))
    assert examine(paths)[1] == 3
