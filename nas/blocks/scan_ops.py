"""The primitive operation of state spaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from nas.blocks.ops import Op, Shape
from nas.errors import UserError


@final
@dataclass(frozen=True, kw_only=True)
class SelectiveScan(Op):
    """A linear recurrence over all pixels whose coefficients depend on the pixel, in several heads.

    With step size Δ = softplus(step + shift) and decay a = exp(-exp(rate) Δ), one number for each head and
    pixel, the state of a head is h ← a h + Δ input ⊗ value, and its output is output · h + skip · value (Dao
    and Gu 2024, "Transformers are SSMs" (Mamba-2), sections 2 and 6). It is computed in chunks of pixels by
    matrix products (section 6), since no runtime is fast at recurrences. Published networks of Mamba-1 have a
    decay for each channel, which has no such form.

    Its inputs are values, steps (one channel a head), inputs and outputs (one channel a state).

    Attributes:
        heads: Number of heads.
        states: Size of a head's state, for each of its channels.
        chunk: Pixels of a chunk, at most all.
        directions: 1, or 2: every other head then runs from the last pixel to the first.
    """

    heads: int
    states: int
    chunk: int
    directions: int = 2

    def __post_init__(self) -> None:
        if self.heads < 1 or self.heads % self.directions or self.in_shape.channels % self.heads:
            raise UserError(
                f"a scan of {self.in_shape.channels} channels in {self.directions} directions cannot have "
                f"{self.heads} heads; the channels must be a multiple of the heads, these of the directions"
            )

    @property
    def name(self) -> str:
        return "selective scan"

    @property
    def head_dim(self) -> int:
        """Channels of a head."""
        return self.in_shape.channels // self.heads

    @property
    def chunks(self) -> int:
        """Number of chunks; the last one may be padded."""
        return -(-self.in_shape.pixels // self.chunk)

    @property
    def macs(self) -> int:
        channels, padded = self.in_shape.channels, self.chunks * self.chunk
        within = padded * self.chunk * (self.directions * self.states + channels)
        if self.chunks == 1:
            return within
        return within + (2 * padded + self.chunks**2) * self.states * channels

    @property
    def params(self) -> int:
        return 3 * self.heads

    @property
    def input_elements(self) -> int:
        return self.in_shape.pixels * (self.in_shape.channels + self.heads + 2 * self.states)

    @property
    def scratch_elements(self) -> int:
        return self.heads * self.chunks * self.chunk**2

    @property
    def shapes(self) -> tuple[Shape, Shape, Shape, Shape]:
        """The shapes of values, steps, inputs and outputs."""
        height, width = self.in_shape.height, self.in_shape.width
        states = Shape(self.states, height, width)
        return self.in_shape, Shape(self.heads, height, width), states, states
