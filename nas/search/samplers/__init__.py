"""Samplers propose the next network. A new sampler is a new file in this folder."""

from __future__ import annotations

from nas.search.samplers.base import Sampler, make_sampler, register, sampler_names

__all__ = ["Sampler", "make_sampler", "register", "sampler_names"]
