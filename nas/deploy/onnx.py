"""Exports a static network to an ONNX file for inference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from nas.deploy.interface import OPSET, Input, package_version
from nas.errors import UserError
from nas.files import atomic
from nas.network import NetworkSpec

if TYPE_CHECKING:
    from nas.nn import StaticNetwork
    from nas.training.data import Normalization


@final
@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Metadata inside an ONNX file, so that the file can be used without this project.

    Attributes:
        classes: Name of each output.
        mean: Mean of each input channel, for pixels scaled to 0..1.
        std: Standard deviation of each input channel, for pixels scaled to 0..1.
        network: The network in the file; its resolution and channels are those of the input.
        crop: Side of the image's centre square that is resized to the resolution, relative to the image's
            shorter side.
        run: Name of the run that trained the network; empty if unknown.
        store_size: Side in pixels to which the square is resized first; see ``Input``.
        origin: The source of the initial weights (name, source, licence, sha256);
            empty for random ones.
    """

    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    network: NetworkSpec
    crop: float = 1.0
    run: str = ""
    store_size: int | None = None
    origin: Mapping[str, str] = field(default_factory=dict)

    def input(self, *, batch: int | None) -> Input:
        """Returns the input of a file that takes ``batch`` images, or any number."""
        return Input(
            channels=self.network.input_channels,
            resolution=self.network.resolution,
            crop=self.crop,
            store_size=self.store_size,
            mean=self.mean,
            std=self.std,
            batch=batch,
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the metadata as JSON values, with what a user of the file has to know."""
        return {
            "classes": list(self.classes),
            "layout": "NCHW",
            "resolution": self.network.resolution,
            "crop": self.crop,
            "store_size": self.store_size,
            "resize": "bilinear, antialiased",
            "mean": list(self.mean),
            "std": list(self.std),
            "provenance": {"hwnas": package_version(), "run": self.run, "weights": dict(self.origin)},
            "network": self.network.to_dict(),
        }


def export_onnx(
    model: StaticNetwork,
    path: Path,
    *,
    classes: Sequence[str],
    normalize: Normalization,
    opset: int = OPSET,
    batch: int | None = None,
    crop: float = 1.0,
    run: str = "",
    store_size: int | None = None,
    origin: Mapping[str, str] | None = None,
) -> Path:
    """Writes a network as one ONNX file, atomically; the same weights give the same bytes.

    BatchNorm is folded into the convolutions. The input ``images`` is (N, C, H, W), normalised; a free N
    costs ONNX Runtime nothing. The output ``logits`` is (N, classes). The file's metadata are those of
    ``Metadata``, each value in JSON.

    Args:
        model: The network, in evaluation mode, on any device.
        path: The file to write.
        classes: Name of each output.
        normalize: Normalisation of the training images.
        opset: Version of ONNX's operator set, 18 to 23.
        batch: Images of one inference; ``None`` for any number.
        crop: Side of the centre square that the network was evaluated on, relative to the shorter side.
        run: Name of the run that trained the network.
        store_size: Side in pixels at which images are stored before they are resized; ``None`` if not.
        origin: See ``Metadata``.

    Raises:
        UserError: If the number of classes or channels does not fit, or the opset is out of range.
    """
    assert not model.training, "export a network in evaluation mode: model.eval()"
    _check(model.network, classes, normalize, opset)
    import onnx

    from nas.deploy.lowered import write_network

    proto = write_network(model, batch=batch or "batch", opset=opset)
    onnx.checker.check_model(proto)
    about = Metadata(
        classes=tuple(classes),
        mean=normalize.mean,
        std=normalize.std,
        network=model.network,
        crop=crop,
        run=run,
        store_size=store_size,
        origin=origin or {},
    )
    props = {name: json.dumps(value) for name, value in about.to_dict().items()}
    onnx.helper.set_model_props(proto, props)
    with atomic(path) as temporary:
        onnx.save(proto, str(temporary))
    return path


def _check(network: NetworkSpec, classes: Sequence[str], normalize: Normalization, opset: int) -> None:
    if len(classes) != network.classes:
        raise UserError(
            f"{len(classes)} class names for {network.classes} outputs; give one name for each output"
        )
    if len(normalize.mean) != network.input_channels:
        raise UserError(
            f"mean and standard deviation of {len(normalize.mean)} channels for a network with "
            f"{network.input_channels} input channels; measure them on the images that it was trained on"
        )
    check_opset(opset)


def check_opset(opset: int) -> None:
    """Raises a ``UserError`` if ONNX files cannot be written with this operator set."""
    if not 18 <= opset <= 23:
        raise UserError(
            f"opset is {opset}; 18 to 23 can be written, and {OPSET} is what the latency tables use"
        )


def read_metadata(path: Path) -> Metadata:
    """Reads the metadata that ``export_onnx`` wrote into the file.

    Raises:
        UserError: If the file is missing, or was not written by ``export_onnx``.
    """
    import onnx

    try:
        props = {
            item.key: item.value for item in onnx.load(str(path), load_external_data=False).metadata_props
        }
        value: dict[str, Any] = {key: json.loads(props[key]) for key in ("classes", "mean", "std", "network")}
        crop, provenance = json.loads(props.get("crop", "1.0")), json.loads(props.get("provenance", "{}"))
        store_size = json.loads(props.get("store_size", "null"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; export the network first: nas export run_dir=…") from None
    except Exception as error:  # noqa: BLE001  protobuf's DecodeError shares no base with the others
        raise UserError(
            f"{path} is not a network that nas export wrote ({error!r}); export it again"
        ) from None
    return Metadata(
        classes=tuple(value["classes"]),
        mean=tuple(value["mean"]),
        std=tuple(value["std"]),
        network=NetworkSpec.from_dict(value["network"]),
        crop=crop,
        run=provenance.get("run", ""),
        store_size=store_size,
        origin=provenance.get("weights", {}),
    )
