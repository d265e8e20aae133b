"""The Python code of LeViT's operations."""

from __future__ import annotations

from nas.blocks.offset_ops import OffsetAttention, Subsample
from nas.deploy.python_code.writer import PythonWriter, python_of

_OFFSET_ATTENTION = '''\
def offset_attention(query, key, value, table, heads, stride):
    """Softmax attention of every stride-th pixel to all pixels; maps are (N, C, H, W).

    The table, (heads, offsets), holds what is added to a score, by the distances of the two pixels in rows
    and columns. A pair of distances stands behind all pairs whose larger one is smaller.
    """
    n, _, height, width = query.shape
    rows, columns = (torch.arange(size, device=query.device) for size in key.shape[2:])
    down = (stride * torch.arange(height, device=query.device)[:, None] - rows).abs()[:, None, :, None]
    right = (stride * torch.arange(width, device=query.device)[:, None] - columns).abs()[None, :, None, :]
    side = torch.maximum(down, right)
    place = side**2 + torch.where(right == side, down, 2 * side - right)
    bias = table[:, place.reshape(height * width, -1)][None]
    query, key, value = (
        x.permute(0, 2, 3, 1).reshape(n, -1, heads, x.shape[1] // heads).transpose(1, 2)
        for x in (query, key, value)
    )
    x = F.scaled_dot_product_attention(query, key, value, bias)
    return x.transpose(1, 2).reshape(n, height, width, -1).permute(0, 3, 1, 2)
'''


@python_of.register
def _offset_attention(op: OffsetAttention, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    writer.function(_OFFSET_ATTENTION)
    code = f"nn.Parameter(torch.zeros({op.heads}, {op.side**2}))"
    table = writer.layer(op.role, code, source="weight")
    return f"offset_attention({', '.join(inputs)}, {table}, heads={op.heads}, stride={op.stride})"


@python_of.register
def _subsample(op: Subsample, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    return f"{inputs[0]}[:, :, :: {op.stride}, :: {op.stride}]"
