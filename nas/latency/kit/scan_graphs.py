"""The ONNX form of the selective scan, as ``nas.nn.scan_layers`` computes it: matrix products of chunks.

Step sizes and logarithms of decays are sums over many pixels: their nodes are exact in half precision. Values
are (N, directions, chunks, groups of heads, chunk, channels). A reversal is a ``Slice`` with step -1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas.blocks.scan_ops import SelectiveScan
from nas.latency.kit.graph_writer import GraphWriter, write_op

_FAR, _LAST = -1e4, np.iinfo(np.int64).min


@write_op.register
def _selective_scan(op: SelectiveScan, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    return _Scan(op, writer).write(*(writer.tokens(x, s) for x, s in zip(inputs, op.shapes, strict=True)))


class _Scan:
    """Writes one scan."""

    def __init__(self, op: SelectiveScan, writer: GraphWriter) -> None:
        self._op, self._writer = op, writer
        self._groups = op.heads // op.directions

    def write(self, value: str, step: str, inputs: str, outputs: str) -> str:
        """Appends the scan of (N, H, W, C) values; returns its output, of the same form."""
        op, writer = self._op, self._writer
        rate, shift, skip = (writer.draw(op.heads, fan_in=200) for _ in range(3))
        steps = self._exact("Softplus", self._exact("Add", step, writer.constant(shift)))
        steps = self._chunks(self._split(steps, 1), 1, groups=self._groups)
        values = self._chunks(self._split(value, op.head_dim), op.head_dim, groups=self._groups)
        sources, readers = (
            self._chunks(self._states(each), op.states, groups=1) for each in (inputs, outputs)
        )
        y = self._run(values, steps, rate, self._turned(sources), readers)
        y = self._transpose(y, 0, 1, 2, 4, 3, 5)
        y = self._reshape(y, op.directions, op.chunks * op.chunk, self._groups, op.head_dim)
        y = self._reversed(self._slice(y, 2, 0, op.in_shape.pixels))
        y = self._reshape(
            self._transpose(y, 0, 2, 3, 1, 4), op.in_shape.height, op.in_shape.width, op.in_shape.channels
        )
        return self._node("Add", y, self._node("Mul", value, writer.constant(np.repeat(skip, op.head_dim))))

    def _run(self, values: str, steps: str, rate: NDArray[np.float32], sources: str, readers: str) -> str:
        """The recurrence; ``sources`` are (…, states, chunk), the others (…, chunk, size)."""
        op, writer = self._op, self._writer
        rates = -np.exp(rate).reshape(-1, op.directions).T[None, :, None, :, None, None]
        total = self._exact(
            "CumSum", self._exact("Mul", steps, writer.constant(rates)), self._numbers(4, rank=0)
        )
        decay = self._decay(total, self._turned(total), op.chunk, diagonal=1)
        weights = self._node("Mul", self._node("MatMul", readers, sources), decay)
        y = self._node("MatMul", self._node("Mul", weights, self._turned(steps)), values)
        if op.chunks == 1:
            return y
        last = self._slice(total, 4, op.chunk - 1, op.chunk)
        left = self._exact("Mul", self._exact("Exp", self._exact("Sub", last, total)), steps)
        states = self._node("MatMul", sources, self._node("Mul", values, left))
        before = self._node("MatMul", readers, self._carried(states, last))
        return self._node("Add", y, self._node("Mul", before, self._exact("Exp", total)))

    def _carried(self, states: str, last: str) -> str:
        """The state before each chunk, from what each adds, (N, D, chunks, groups, states, channels)."""
        op, groups = self._op, self._groups
        lasts = self._transpose(self._reshape(last, op.directions, op.chunks, groups, 1), 0, 1, 3, 2, 4)
        sums = self._exact("CumSum", lasts, self._numbers(3, rank=0))
        turned = self._transpose(sums, 0, 1, 2, 4, 3)
        carry = self._decay(self._exact("Sub", sums, lasts), turned, op.chunks, diagonal=0)
        flat = self._reshape(
            self._transpose(states, 0, 1, 3, 2, 4, 5),
            op.directions,
            groups,
            op.chunks,
            op.states * op.head_dim,
        )
        carried = self._node("MatMul", carry, flat)
        carried = self._reshape(carried, op.directions, groups, op.chunks, op.states, op.head_dim)
        return self._transpose(carried, 0, 1, 3, 2, 4, 5)

    def _decay(self, after: str, before: str, size: int, *, diagonal: int) -> str:
        """exp(after_i - before_j) below the diagonal; neither triangle overflows."""
        far = np.triu(np.full((size, size), _FAR, np.float32), diagonal)
        gaps = self._exact(
            "Min", self._exact("Sub", after, before), self._writer.constant(np.array(0, np.float32))
        )
        return self._exact("Exp", self._exact("Add", gaps, self._writer.constant(far)))

    def _split(self, x: str, size: int) -> str:
        """(N, H, W, heads · size) as (N, D, L, groups, size), backward heads reversed."""
        op = self._op
        x = self._reshape(x, op.in_shape.pixels, self._groups, op.directions, size)
        return self._reversed(self._transpose(x, 0, 3, 1, 2, 4))

    def _states(self, x: str) -> str:
        """(N, H, W, states) as (N, D, L, 1, states), reversed for the second direction."""
        op = self._op
        x = self._reshape(x, 1, op.in_shape.pixels, 1, op.states)
        return x if op.directions == 1 else self._node("Concat", x, self._flip(x), axis=1)

    def _reversed(self, x: str) -> str:
        """(N, D, L, …) with the second direction reversed."""
        if self._op.directions == 1:
            return x
        return self._node("Concat", self._slice(x, 1, 0, 1), self._flip(self._slice(x, 1, 1, 2)), axis=1)

    def _flip(self, x: str) -> str:
        return self._node("Slice", x, *(self._numbers(n) for n in (-1, _LAST, 2, -1)))

    def _chunks(self, x: str, size: int, *, groups: int) -> str:
        """(N, D, L, groups, size) as (N, D, chunks, groups, chunk, size), padded with zeros."""
        op = self._op
        if missing := op.chunks * op.chunk - op.in_shape.pixels:
            x = self._node("Pad", x, self._numbers(0, 0, 0, 0, 0, 0, 0, missing, 0, 0))
        x = self._reshape(x, op.directions, op.chunks, op.chunk, groups, size)
        return self._transpose(x, 0, 1, 2, 4, 3, 5)

    def _turned(self, x: str) -> str:
        return self._transpose(x, 0, 1, 2, 3, 5, 4)

    def _slice(self, x: str, axis: int, start: int, end: int) -> str:
        return self._node("Slice", x, *(self._numbers(n) for n in (start, end, axis)))

    def _transpose(self, x: str, *order: int) -> str:
        return self._node("Transpose", x, perm=list(order))

    def _reshape(self, x: str, *sizes: int) -> str:
        return self._writer.reshape(x, *sizes)

    def _numbers(self, *values: int, rank: int = 1) -> str:
        return self._writer.constant(np.array(values, np.int64).reshape([-1] * rank))

    def _exact(self, kind: str, *inputs: str) -> str:
        return self._writer.node(kind, *inputs, exact=True)

    def _node(self, kind: str, *inputs: str, **attributes: int | list[int]) -> str:
        return self._writer.node(kind, *inputs, **attributes)  # type: ignore[arg-type]
