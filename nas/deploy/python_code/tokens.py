"""The Python code of the operations of transformers."""

from __future__ import annotations

from nas.blocks.token_ops import Attention, First, Position, Prepend
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

_PREPEND = '''\
def prepend(token, x):
    """A token, (C,), before the sequence of all pixels of (N, C, H, W): (N, C, H * W + 1, 1)."""
    token = token.expand(len(x), 1, -1)
    return torch.cat([token, x.flatten(2).transpose(1, 2)], 1).transpose(1, 2)[..., None]
'''


@python_of.register
def _attention(op: Attention, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
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
