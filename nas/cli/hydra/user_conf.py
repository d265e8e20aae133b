"""The user's own ``./conf``: searched first; its files may start with a byte order mark."""

from __future__ import annotations

import re
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from nas.errors import UserError, yaml_fault
from nas.files import YAML_FAULTS, read_text
from nas.resources import shipped

FOLDER = "conf"
_SCHEME = "text"


class OwnConf(SearchPathPlugin):
    """Puts ``./conf`` in front of our own."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        folder = _folder()
        if folder is not None:
            search_path.prepend("own", f"{_SCHEME}://{folder}", anchor=SearchPathQuery(provider="main"))


class TextFiles(ConfigSource):
    """A folder of configuration files; unlike Hydra's own source, it accepts a byte order mark."""

    @staticmethod
    def scheme() -> str:
        return _SCHEME

    def load_config(self, config_path: str) -> ConfigResult:
        file = self._file(config_path)
        if not file.is_file():
            raise ConfigLoadError(f"Config not found : {file}")
        text = read_text(file)
        try:
            config = OmegaConf.create(text)
        except OmegaConfBaseException:
            raise
        except (YAMLError, *YAML_FAULTS) as error:
            raise UserError(f"{file} is not valid YAML: {yaml_fault(error)}") from None
        header = self._get_header_dict(text)
        return ConfigResult(config=config, path=self.full_path(), provider=self.provider, header=header)

    def is_group(self, config_path: str) -> bool:
        return Path(self.path, config_path).is_dir()

    def is_config(self, config_path: str) -> bool:
        return self._file(config_path).is_file()

    def available(self) -> bool:
        return self.is_group("")

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        names: list[str] = []
        for file in Path(self.path, config_path).iterdir():
            path = f"{config_path}/{file.name}"
            self._list_add_result(names, path, file.name, results_filter)
        return sorted(set(names))

    def _file(self, config_path: str) -> Path:
        return Path(self.path, self._normalize_file_name(config_path))


def shadow_note(message: str) -> str:
    """Names the files of ``./conf`` that replace shipped files and that an error message concerns."""
    folder = _folder()
    files = [] if folder is None else [file.relative_to(folder) for file in sorted(folder.rglob("*.yaml"))]
    return "".join(
        f". ./{FOLDER}/{file.as_posix()} replaces the file of that name that comes with nas: rename it, "
        "or work in another folder"
        for file in files
        if shipped(FOLDER).joinpath(file).is_file() and _is_about(message, file)
    )


def _is_about(message: str, file: Path) -> bool:
    """Returns whether a message concerns a file: it is named, top-level, or its group lacks a value."""
    is_missing = message.startswith(f"{file.parts[0]}.") and re.search("has no value|Interpolation", message)
    return len(file.parts) == 1 or file.with_suffix("").as_posix() in message or bool(is_missing)


def _folder() -> Path | None:
    folder = Path.cwd() / FOLDER
    return folder if folder.is_dir() and folder.resolve() != shipped(FOLDER).resolve() else None
