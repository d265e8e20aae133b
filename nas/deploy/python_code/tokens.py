"""The Python code of the operations of transformers."""

from __future__ import annotations

from nas.blocks.token_ops import (
    EPSILON,
    MASKED,
    Attention,
    Concat,
    First,
    LinearAttention,
    Position,
    Prepend,
    Product,
    Resize,
    SpaceToDepth,
    Unwindows,
    Windows,
)
from nas.deploy.python_code.writer import PythonWriter, python_of

_ATTENTION = '''\
def attention(query, key, value, heads):
    """Softmax attention over all pixels; queries, keys and values are (N, C, H, W)."""
    n, _, height, width = query.shape
    query, key, value = (
        x.permute(0, 2, 3, 1).reshape(n, -1, heads, x.shape[1] // heads).transpose(1, 2)
        for x in (query, key, value)
    )
    x = F.scaled_dot_product_attention(query, key, value)
    return x.transpose(1, 2).reshape(n, height, width, -1).permute(0, 3, 1, 2)
'''

_WINDOW_ATTENTION = f'''\
def window_attention(query, key, value, table, heads, side, shift, height, width):
    """Attention within the windows of a map, which are the rows of (N, C, windows, side * side).

    The table, (heads, 1, offsets, offsets), holds what is added to a score, by the offset of the two pixels.
    """
    n, _, rows, pixels = query.shape
    place = torch.arange(side, device=query.device)
    y, x = place.repeat_interleave(side), place.repeat(side)
    bias = table[:, 0, y[:, None] - y + side - 1, x[:, None] - x + side - 1][None]
    if shift:  # pixels from opposite edges do not attend to each other
        part = [
            (torch.arange(size, device=query.device) >= size - edge).int()
            for size in (height, width)
            for edge in (side, shift)
        ]
        region = 3 * (part[0] + part[1])[:, None] + part[2] + part[3]
        region = region.unflatten(1, (-1, side)).unflatten(0, (-1, side)).transpose(1, 2).reshape(-1, pixels)
        apart = (region[:, None, :, None] != region[:, None, None, :]) * {MASKED}
        bias = (bias + apart).repeat(n, 1, 1, 1)
    query, key, value = (
        x.permute(0, 2, 3, 1).reshape(-1, pixels, heads, x.shape[1] // heads).transpose(1, 2)
        for x in (query, key, value)
    )
    x = F.scaled_dot_product_attention(query, key, value, bias)
    return x.transpose(1, 2).reshape(n, rows, pixels, -1).permute(0, 3, 1, 2)
'''

_LINEAR_ATTENTION = f'''\
def linear_attention(query, key, value, heads):
    """Attention of linear cost over all pixels; queries, keys and values are (N, C, H, W)."""
    with torch.autocast(query.device.type, enabled=False):  # sums over all pixels overflow in half precision
        dtype = torch.promote_types(query.dtype, torch.float32)
        q, k, v = (x.flatten(2).unflatten(1, (heads, -1)).to(dtype) for x in (query, key, value))
        v = F.pad(v, (0, 0, 0, 1), value=1.0)  # one more channel gives the denominator
        x = v @ F.relu(k).transpose(2, 3) @ F.relu(q)
        x = x[:, :, :-1] / (x[:, :, -1:] + {EPSILON})
    return x.reshape(query.shape).to(query.dtype)
'''

_WINDOWS = '''\
def windows(x, side, shift):
    """The windows of (N, C, H, W), rolled up and to the left, as (N, C, windows, side * side)."""
    x = x.permute(0, 2, 3, 1).roll((-shift, -shift), (1, 2))
    x = x.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3)
    return x.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)
'''

_UNWINDOWS = '''\
def unwindows(x, side, shift, height, width):
    """The inverse of windows: (N, C, height, width)."""
    x = x.permute(0, 2, 3, 1).unflatten(2, (side, side)).unflatten(1, (-1, width // side)).transpose(2, 3)
    return x.reshape(len(x), height, width, -1).roll((shift, shift), (1, 2)).permute(0, 3, 1, 2)
'''

_PREPEND = '''\
def prepend(token, x):
    """A token, (C,), before the sequence of all pixels of (N, C, H, W): (N, C, H * W + 1, 1)."""
    token = token.expand(len(x), 1, -1)
    return torch.cat([token, x.flatten(2).transpose(1, 2)], 1).transpose(1, 2)[..., None]
'''


@python_of.register
def _attention(op: Attention, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    if op.grid is not None:
        writer.function(_WINDOW_ATTENTION)
        grid, offsets = op.grid, 2 * op.grid.side - 1
        code = f"nn.Parameter(torch.zeros({op.heads}, 1, {offsets}, {offsets}))"
        table = writer.layer(op.role, code, source="weight")
        sizes = f"{op.heads}, {grid.side}, {grid.shift}, {grid.height}, {grid.width}"
        return f"window_attention({', '.join(inputs)}, {table}, {sizes})"
    writer.function(_ATTENTION)
    return f"attention({', '.join(inputs)}, heads={op.heads})"


@python_of.register
def _position(op: Position, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    shape = op.in_shape
    code = f"nn.Parameter(torch.zeros({shape.channels}, {shape.height}, {shape.width}))"
    return f"{inputs[0]} + {writer.layer(op.role, code, source='weight')}"


@python_of.register
def _prepend(op: Prepend, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    writer.function(_PREPEND)
    code = f"nn.Parameter(torch.zeros({op.in_shape.channels}))"
    return f"prepend({writer.layer(op.role, code, source='weight')}, {inputs[0]})"


@python_of.register
def _first(op: First, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    return f"{inputs[0]}[:, :, :1, :1]"


@python_of.register
def _windows(op: Windows, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    writer.function(_WINDOWS)
    return f"windows({inputs[0]}, {op.grid.side}, {op.grid.shift})"


@python_of.register
def _unwindows(op: Unwindows, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    writer.function(_UNWINDOWS)
    grid = op.grid
    return f"unwindows({inputs[0]}, {grid.side}, {grid.shift}, {grid.height}, {grid.width})"


@python_of.register
def _resize(op: Resize, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    bottom, right = op.height - op.in_shape.height, op.width - op.in_shape.width
    return f"F.pad({inputs[0]}, (0, {right}, 0, {bottom}))"


@python_of.register
def _space_to_depth(op: SpaceToDepth, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    return f"F.pixel_unshuffle({inputs[0]}, {op.side})"


@python_of.register
def _linear_attention(op: LinearAttention, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    writer.function(_LINEAR_ATTENTION)
    return f"linear_attention({', '.join(inputs)}, heads={op.heads})"


@python_of.register
def _concat(op: Concat, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    return f"torch.cat([{', '.join(inputs)}], 1)"


@python_of.register
def _product(op: Product, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    return " * ".join(inputs)
