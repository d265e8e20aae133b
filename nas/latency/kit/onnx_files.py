"""ONNX files of the user's own, as entries of a kit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped,unused-ignore]

from nas.errors import UserError

_READABLE = ("FLOAT", "FLOAT16", "DOUBLE", "UINT8", "INT8", "INT32", "INT64", "BOOL")
_REASON = 200


def load_onnx(path: Path, *, sizes: Mapping[str, int], batch: int) -> onnx.ModelProto:
    """Reads a file, with its weights beside it, and fixes the sizes that it leaves open.

    Args:
        path: The file.
        sizes: Sizes of its inputs' open dimensions, by the dimension's name.
        batch: The size of the first dimension, if that is open.

    Raises:
        UserError: If the file is missing, damaged, or cannot be run with random inputs.
    """
    try:
        model = onnx.load(path)
    except FileNotFoundError as error:
        if path.is_file():  # its weights are in another file
            raise UserError(f"{path} needs {error.filename}, which does not exist; copy it beside") from None
        raise UserError(f"{path} does not exist; name an existing .onnx file") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder; name an .onnx file") from None
    except DecodeError as error:
        reason = " ".join(str(error).split())[:_REASON]
        raise UserError(f"{path} is not an ONNX model, or is damaged ({reason}); export it again") from None
    if not model.ir_version or not model.graph.node:
        raise UserError(f"{path} is not an ONNX model (it has no operators); export it again")
    for value in _inputs(model):
        _fix(value, path, sizes=sizes, batch=batch)
    return model


def _inputs(model: onnx.ModelProto) -> Iterable[onnx.ValueInfoProto]:
    weights = {item.name for item in model.graph.initializer}
    return (value for value in model.graph.input if value.name not in weights)


def _fix(value: onnx.ValueInfoProto, path: Path, *, sizes: Mapping[str, int], batch: int) -> None:
    """Fixes the open sizes of an input."""
    tensor = value.type.tensor_type
    kind = onnx.TensorProto.DataType.Name(tensor.elem_type)
    if not value.type.HasField("tensor_type") or kind not in _READABLE:
        raise UserError(
            f"{path}: the input {value.name} has the type {kind}; random inputs can be of "
            f"{', '.join(_READABLE).lower()}"
        )
    for place, size in enumerate(tensor.shape.dim):
        if size.HasField("dim_value") and size.dim_value > 0:
            continue
        name = size.dim_param or f"{value.name}_{place}"
        if name not in sizes and place > 0:
            raise UserError(
                f"{path}: the input {value.name} leaves the size {name} open; give it: "
                f"measure.sizes={{{name}: 224}}"
            )
        size.dim_value = sizes.get(name, batch)


def check_files(paths: Iterable[Path], *, sizes: Mapping[str, int], batch: int) -> None:
    """Reads all files, and reports every one that cannot be measured.

    Raises:
        UserError: If there is one.
    """
    paths, faults = tuple(paths), []
    for path in paths:
        try:
            load_onnx(path, sizes=sizes, batch=batch)
        except UserError as error:
            faults.append(str(error))
    if len(faults) > 1:
        raise UserError("\n".join([f"{len(faults)} of {len(paths)} files cannot be measured:", *faults]))
    if faults:
        raise UserError(faults[0])
