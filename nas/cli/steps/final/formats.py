"""The formats that ``nas export`` writes: the default of a device, all that are installed, or a list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas.cli.screen import say
from nas.config import ExportConfig
from nas.deploy.formats import Format, find_format, format_names
from nas.errors import UserError
from nas.hardware import Device

ALL = "all"


def choose(config: ExportConfig, *, device: Device) -> list[str]:
    """Returns the names of the formats to write, in order and once each.

    Args:
        config: The settings. ``formats`` is a name, a list of names, ``"all"`` for every format whose
            packages are installed, or ``None`` for what ships on the device: ONNX in its precision, on a
            processor in FP32 also in INT8. With ``install``, the converters of formats may be missing.
        device: The device of the export.

    Raises:
        UserError: If there is no format, a name is unknown, or a package is missing.
    """
    setting = config.formats
    if setting is None:
        return _defaults(device)
    names = [setting] if isinstance(setting, str) else setting
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"export.formats is {setting!r}; name at least one format: export.formats=[onnx]")
    if is_all(setting):
        installed = [name for name in format_names() if not _lacks(find_format(name), install=config.install)]
        return list(dict.fromkeys([*_defaults(device), *installed]))  # the report compares the first
    for name in names:
        kind = find_format(name)
        kind.require()
        kind.require_converter(install=config.install)
    return list(dict.fromkeys(names))


def _lacks(kind: Format, *, install: bool) -> bool:
    return bool(kind.missing()) or (kind.lacks_converter() and not install)


def install_converters(config: ExportConfig, *, device: Device, logs: Path) -> None:
    """Installs the converters of the formats that need an environment of their own, with a line for each."""
    for name in choose(config, device=device):
        kind = find_format(name)
        if kind.ENVIRONMENT is not None and kind.lacks_converter():
            say(f"deploy: {name}: installing {kind.ENVIRONMENT.describe()}; pip's output is in {logs}")
            kind.prepare(install=config.install, logs=logs)


def is_all(setting: Any) -> bool:
    """Returns whether every installed format is written; a converter that fails is then left out."""
    return setting in (ALL, [ALL])


def report_missing(config: ExportConfig) -> None:
    """Reports the formats that ``all`` leaves out."""
    for name in format_names():
        kind = find_format(name)
        if missing := kind.missing():
            say(f"deploy: {name} skipped, needs {', '.join(missing)}: {kind.install_command}")
        elif kind.ENVIRONMENT is not None and _lacks(kind, install=config.install):
            say(f"deploy: {name} skipped, needs {kind.ENVIRONMENT.describe()}: export.install=true")


def _defaults(device: Device) -> list[str]:
    if device.precision in ("int8", "fp16"):
        return [f"onnx_{device.precision}"]
    both = device.precision == "fp32" and device.runtime in find_format("onnx_int8").RUNTIMES
    return ["onnx", "onnx_int8"] if both and _is_processor(device) else ["onnx"]


def _is_processor(device: Device) -> bool:
    return device.provider in ("CPUExecutionProvider", "CPU")


def is_measured(kind: Format, *, device: Device) -> bool:
    """Returns whether the device's runtime reads a format and runs its precision.

    A processor runs every precision that stands in a file; elsewhere a runtime is set up for one.
    """
    return device.runtime in kind.RUNTIMES and (_is_processor(device) or _stored(device) == kind.PRECISION)


def _stored(device: Device) -> str:
    """Returns the precision of files for a device; a runtime sets BF16 and TF32 itself."""
    return device.precision if device.precision in ("int8", "fp16") else "fp32"


def ships(kind: Format, *, device: Device) -> bool:
    """Returns whether a format has the precision of the device, which the search has optimised for."""
    return _stored(device) == kind.PRECISION


def described() -> Iterator[str]:
    """Yields a line for each format, for ``nas export --help``."""
    yield ""
    yield "Formats (export.formats=[NAME,...], or export.formats=all for all that are installed):"
    for name in format_names():
        kind = find_format(name)
        needs = [kind.install_command] if kind.missing() else []
        if kind.ENVIRONMENT is not None and kind.lacks_converter():
            needs.append(f"export.install=true: a converter of {kind.ENVIRONMENT.disk_mb:,} MB")
        yield f"  {name}: {kind.SUMMARY}" + (f"   (needs {'; '.join(needs)})" if needs else "")
