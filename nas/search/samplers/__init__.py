"""Samplers: what proposes the next network. Every module in this folder is imported, so a new sampler is a
new file."""

from __future__ import annotations

import importlib
import pkgutil

from nas.search.samplers.base import Sampler, make_sampler, register, sampler_names

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["Sampler", "make_sampler", "register", "sampler_names"]
