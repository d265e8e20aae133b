"""Registries: the implementations of one interface, by name. A new file or a plug-in extends them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar, final

from nas.errors import UserError, unknown

Item = TypeVar("Item")
Class = TypeVar("Class", bound=type)


@final
class Registry(Generic[Item]):
    """Implementations of one interface by name.

    A name can be registered once. Registering it again, from the same place or from a copy of its file,
    replaces the implementation, so that notebook cells can be run again and folders copied.
    """

    def __init__(
        self,
        what: str,
        *,
        package: str = "",
        attribute: str = "NAME",
        hint: str = "",
        replaced: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Creates an empty registry.

        Args:
            what: The interface in messages, e.g. ``"sampler"``.
            package: A package whose modules register the built-in implementations. It is imported at the
                first look-up.
            attribute: The attribute of a class that holds its name.
            hint: A sentence for the message about an unknown name.
            replaced: Names of earlier versions, and the names that replace them.
        """
        self.what = what
        self._package, self._attribute, self._hint = package, attribute, hint
        self._replaced = replaced
        self._items: dict[str, Item] = {}
        self._origins: dict[str, tuple[str, str]] = {}
        self._is_complete = not package

    def __contains__(self, name: object) -> bool:
        self._import_package()
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def names(self) -> tuple[str, ...]:
        """All names in alphabetical order."""
        self._import_package()
        return tuple(sorted(self._items))

    def find(self, name: str) -> Item:
        """The implementation of a name.

        Raises:
            UserError: If the name is unknown. The message lists the nearest names.
        """
        if name not in self:
            raise unknown(self.what, name, self._items, hint=self._hint, replaced=self._replaced)
        return self._items[name]

    def add(self, name: str, item: Item, *, source: Callable[..., Any] | None = None) -> None:
        """Registers an implementation.

        Args:
            name: Its name.
            item: The implementation.
            source: The function or class that identifies its origin; ``item`` itself by default.

        Raises:
            UserError: If the name is taken.
        """
        origin = _origin(item if source is None else source)
        if not origin[0].startswith(f"{self._package}."):
            self._import_package()  # so that a plug-in cannot take a built-in name
        if not _is_same(self._origins.get(name, origin), origin):
            raise UserError(
                f"two implementations of {self.what} are called {name!r}: {_place(self._origins[name])} and "
                f"{_place(origin)}; rename one"
            )
        self._items[name], self._origins[name] = item, origin

    def register(self, cls: Class) -> Class:
        """Class decorator that registers a class under its own name (``NAME``, ``KIND`` or ``SCHEME``).

        Raises:
            UserError: If the class has no name, lacks a method of the interface, or its name is taken.
        """
        place = _place(_origin(cls))
        if missing := sorted(getattr(cls, "__abstractmethods__", ())):
            raise UserError(f"{place} lacks {', '.join(missing)}, which each {self.what} has; add it")
        name = inspect.getattr_static(cls, self._attribute, None)
        if name is None:
            raise UserError(f"{place} has no {self._attribute}, by which the {self.what} is known; add it")
        self.add(name, cls)  # type: ignore[arg-type]
        return cls

    def _import_package(self) -> None:
        if self._is_complete:
            return
        self._is_complete = True
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")


def _origin(item: object) -> tuple[str, str]:
    """The module and the name of a class or function."""
    named = item if hasattr(item, "__qualname__") else type(item)
    return named.__module__, named.__qualname__


def _is_same(first: tuple[str, str], second: tuple[str, str]) -> bool:
    """Whether two classes or functions come from the same source lines."""
    files = [_file(origin) for origin in (first, second)]
    if first == second or first[1] != second[1] or None in files:
        return first == second
    return Path(str(files[0])).read_bytes() == Path(str(files[1])).read_bytes()


def _file(origin: tuple[str, str]) -> str | None:
    return getattr(sys.modules.get(origin[0]), "__file__", None)


def _place(origin: tuple[str, str]) -> str:
    module, name = origin
    return f"{name} ({_file(origin) or module})"
