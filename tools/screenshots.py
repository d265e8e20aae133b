"""Makes the screenshots of the README and the documentation from a finished run.

    python -m tools.screenshots runs/quickstart docs/pictures

It writes ``report.png`` (the plane of the search, with a candidate beside the winner), ``explorer.png`` and
``architectures.png`` (see ``tools.architectures``, which needs neither a run nor a browser).
It needs Debian's ``chromium`` and ``chromium-driver``, and the development extra.
"""

from __future__ import annotations

import base64
import io
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from nas.cli.__main__ import main as nas
from nas.errors import UserError
from nas.report import report
from tools.architectures import write_architectures

WIDTH, SCALE, COLOURS = 1100, 1.5, 128

_READY = "return document.documentElement.dataset.ready === 'yes'"
_COMPARED = """
const {data} = plane, others = data.front.filter(i => i !== data.winner);
plane.pin(others.length ? others[Math.floor(others.length / 2)] : plane.usable.find(i => i !== data.winner));
"""
_BOX = """
const boxes = arguments[0].map(each => document.querySelector(each).getBoundingClientRect());
const top = Math.min(...boxes.map(box => box.top)), bottom = Math.max(...boxes.map(box => box.bottom));
return [top + scrollY - 12, bottom + scrollY + 12];
"""


def screenshots(run_dir: Path, folder: Path) -> list[Path]:
    """Writes the screenshots.

    Raises:
        UserError: If the run has no report or its space cannot be explored.
    """
    page = report(run_dir)
    space = yaml.safe_load((run_dir / "config.yaml").read_text(encoding="utf-8"))["space"]
    if nas(["explore", f"space={space}", f"run_dir={run_dir}"]):
        raise UserError(f"the space {space} cannot be explored")
    [explorer] = (run_dir / "explore").glob(f"{Path(space).stem}.html")
    with _browser() as driver:
        pictures = {
            "report.png": _picture(driver, page, ["#search h2", "#candidate"], _COMPARED),
            "explorer.png": _picture(driver, explorer, ["#network h2", "#choices"], ""),
        }
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        _write(folder / name, picture)
    return [*(folder / name for name in pictures), write_architectures(folder)]


@contextmanager
def _browser() -> Iterator[Any]:
    from selenium import webdriver

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        raise UserError("Chromium is missing: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for each in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(each)
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield started
    finally:
        started.quit()


def _picture(driver: Any, page: Path, parts: Sequence[str], script: str) -> bytes:
    """Returns the PNG of a page from the first to the last of some elements."""
    from selenium.webdriver.support.wait import WebDriverWait

    size = {"width": WIDTH, "height": 900, "deviceScaleFactor": SCALE, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(page.resolve().as_uri())
    WebDriverWait(driver, 20).until(lambda each: each.execute_script(_READY))
    driver.execute_script(script)
    top, bottom = driver.execute_script(_BOX, list(parts))
    clip = {"x": 0, "y": top, "width": WIDTH, "height": bottom - top, "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    return base64.b64decode(shot["data"])


def _write(path: Path, picture: bytes) -> None:
    """Writes a PNG with few colours, which suffice for charts."""
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def main(arguments: Sequence[str]) -> int:
    """Runs the command line."""
    if len(arguments) != 2:
        print(__doc__)
        return 2
    try:
        for path in screenshots(Path(arguments[0]), Path(arguments[1])):
            print(path)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
