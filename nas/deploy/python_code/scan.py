"""The Python code of the selective scan."""

from __future__ import annotations

from nas.blocks.scan_ops import SelectiveScan
from nas.deploy.python_code.writer import PythonWriter, python_of

_SCAN = '''\
def selective_scan(value, step, inputs, outputs, rate, shift, skip, chunk, directions):
    """A linear recurrence over all pixels, by matrix products of chunks; all values are (N, C, H, W).

    In each head, h becomes exp(-exp(rate) s) h + s input (x) value with s = softplus(step + shift); the
    output is outputs . h + skip * value. With two directions, every other head runs backwards.
    """
    (n, channels, height, width), heads = value.shape, rate.numel()
    pixels, size, dtype = height * width, channels // heads, value.dtype
    chunks = -(-pixels // chunk)
    value, step, inputs, outputs = (
        x.permute(0, 2, 3, 1).flatten(1, 2) for x in (value, step, inputs, outputs)
    )

    def turn(x):  # the second direction
        return x if directions == 1 else torch.stack([x[:, 0], x[:, 1].flip(1)], 1)

    def split(x, size):
        return turn(x.reshape(n, pixels, -1, directions, size).permute(0, 3, 1, 2, 4))

    def cut(x):
        x = F.pad(x, (0, 0, 0, 0, 0, chunks * chunk - pixels))
        return x.reshape(n, directions, chunks, chunk, *x.shape[3:]).transpose(3, 4)

    def decay(after, before, diagonal):  # exp(after - before), 0 above the diagonal
        far = torch.full((after.shape[-1],) * 2, -1e4, device=after.device, dtype=after.dtype).triu(diagonal)
        return ((after[..., :, None] - before[..., None, :]).clamp(max=0) + far).exp()

    steps = cut(split(F.softplus(step.float() + shift), 1))[..., 0]
    values = cut(split(value, size))
    inputs, outputs = (
        cut(turn(x[:, None, :, None].expand(-1, directions, -1, -1, -1))) for x in (inputs, outputs)
    )
    total = (-rate.exp().reshape(-1, directions).T[:, None, :, None] * steps).cumsum(-1)
    weights = outputs @ inputs.transpose(-1, -2) * decay(total, total, 1).to(dtype)
    y = weights * steps[..., None, :].to(dtype) @ values
    if chunks > 1:
        last = total[..., -1:]
        left = ((last - total).exp() * steps)[..., None].to(dtype) * values
        states = (inputs.transpose(-1, -2) @ left).transpose(2, 3)
        sums = last[..., 0].transpose(2, 3).cumsum(-1)
        carried = decay(sums - last[..., 0].transpose(2, 3), sums, 0).to(dtype) @ states.flatten(4)
        y = y + outputs @ carried.reshape(states.shape).transpose(2, 3) * total.exp()[..., None].to(dtype)
    y = turn(y.transpose(3, 4).flatten(2, 3)[:, :, :pixels]).permute(0, 2, 3, 1, 4).flatten(2)
    y = y + value * skip.repeat_interleave(size).to(dtype)
    return y.reshape(n, height, width, channels).permute(0, 3, 1, 2)
'''


@python_of.register
def _selective_scan(op: SelectiveScan, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    writer.function(_SCAN)
    code = f"nn.Parameter(torch.zeros({op.heads}))"
    rates = [
        writer.layer(op.role, code, source=name, suffix=f"_{name}") for name in ("rate", "shift", "skip")
    ]
    return f"selective_scan({', '.join([*inputs, *rates])}, chunk={op.chunk}, directions={op.directions})"
