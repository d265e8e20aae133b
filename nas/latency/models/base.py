"""Latency models: from the blocks of a network to its latency."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nas.arrays import FloatArray
from nas.blocks import BlockSpec
from nas.registry import Registry

if TYPE_CHECKING:
    from nas.space.lowering import Lowered


class LatencyModel(ABC):
    """Predicts the latency of one batch from the blocks of a network; frozen and serialised as JSON.

    Each kind is a file that registers itself.
    """

    KIND: ClassVar[str]

    @abstractmethod
    def about(self) -> str:
        """The data behind the model in a few words, e.g. ``"1,200 blocks"``."""

    @abstractmethod
    def missing(self, blocks: Iterable[BlockSpec]) -> tuple[BlockSpec, ...]:
        """The ``blocks`` that it cannot predict, each once."""

    @abstractmethod
    def is_estimate(self, blocks: Sequence[BlockSpec]) -> bool:
        """Whether the prediction for a network of these blocks uses an estimate in place of a measurement."""

    @abstractmethod
    def predict(self, blocks: Sequence[BlockSpec]) -> float:
        """The latency of a network of these blocks in ms; none of them may be missing."""

    @abstractmethod
    def predict_many(self, lowered: Lowered) -> FloatArray:
        """The latencies, (N,), of many networks in ms; equal to ``predict`` one by one."""

    @abstractmethod
    def parts(self, blocks: Sequence[BlockSpec]) -> tuple[float, ...] | None:
        """The contribution of each block in ms; ``None`` if only the latency of the whole is known."""

    @abstractmethod
    def scaled(self, factor: float) -> LatencyModel:
        """The model of a device on which everything takes ``factor`` times as long."""

    def refitted(self, networks: Sequence[Sequence[BlockSpec]], measured_ms: FloatArray) -> LatencyModel:
        """The model of a similar device that takes ``measured_ms``, (N,), for networks of these blocks.

        By default, all latencies change by one factor.
        """
        ratios = measured_ms / np.array([self.predict(blocks) for blocks in networks])
        return self.scaled(float(np.exp(np.log(ratios).mean())))

    @abstractmethod
    def keys(self) -> tuple[str, ...]:
        """The keys of blocks that its JSON names by number."""

    @abstractmethod
    def to_dict(self, number: Mapping[str, int]) -> dict[str, Any]:
        """The model as JSON values, with blocks as the numbers of their keys."""

    @classmethod
    @abstractmethod
    def from_dict(cls, value: Mapping[str, Any], keys: Sequence[str]) -> LatencyModel:
        """The inverse of ``to_dict``."""


_KINDS: Registry[type[LatencyModel]] = Registry(
    "kind of latency model", package="nas.latency.models", attribute="KIND"
)
register = _KINDS.register
"""Class decorator that registers a kind of model for reading tables."""


def write_model(model: LatencyModel, number: Mapping[str, int]) -> dict[str, Any]:
    """The model as JSON values, with its kind."""
    return {"kind": model.KIND, **model.to_dict(number)}


def read_model(value: Mapping[str, Any], keys: Sequence[str]) -> LatencyModel:
    """The inverse of ``write_model``.

    Raises:
        UserError: If the kind is unknown.
    """
    return _KINDS.find(value["kind"]).from_dict(value, keys)
