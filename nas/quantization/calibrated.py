"""A float model with what its INT8 version needs: the ranges of activations and the biases."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import onnx

from nas.quantization.biases import corrected_biases
from nas.quantization.calibration import FloatArray, calibrate
from nas.quantization.pairs import Range, insert_pairs
from nas.quantization.schemes import Scheme


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Calibrated:
    """A float model that can be quantised.

    Attributes:
        model: The float model.
        scheme: The positions and the form of the pairs.
        ranges: The range of each activation, by name.
        biases: The biases of quantised layers, by name.
    """

    model: onnx.ModelProto
    scheme: Scheme
    ranges: Mapping[str, Range]
    biases: Mapping[str, FloatArray]

    @classmethod
    def of(
        cls,
        model: onnx.ModelProto,
        batches: Sequence[Mapping[str, FloatArray]],
        *,
        scheme: Scheme,
        method: str,
    ) -> Calibrated:
        """Calibrates a model.

        Args:
            model: A float model with BatchNorm folded.
            batches: Calibration inputs, each with an array for every input.
            scheme: The positions and the form of the pairs.
            method: One of ``CALIBRATIONS``.

        Raises:
            UserError: If the method is unknown or there are no batches.
        """
        ranges = calibrate(model, batches, method=method)
        rounded = insert_pairs(model, ranges, scheme=scheme)
        biases = corrected_biases(model, rounded, batches)
        return cls(model=model, scheme=scheme, ranges=ranges, biases=biases)

    def insert(self, in_float: Collection[str] = ()) -> onnx.ModelProto:
        """The INT8 model in which the nodes of these names compute in float."""
        return insert_pairs(
            self.model, self.ranges, scheme=self.scheme, in_float=in_float, biases=self.biases
        )
