"""What was trained elsewhere: networks with their weights, and where a training starts from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, final

from torch import Tensor

from nas.network import NetworkSpec
from nas.nn import StaticNetwork, Supernet
from nas.pretrained.tensor_file import TensorFile
from nas.registry import Registry
from nas.space import SearchSpace

APACHE = "Apache-2.0"


@final
@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where weights come from, for records and for the files that ship.

    Attributes:
        name: The network, or the space of a supernet.
        source: Who published the weights, or the folder of an earlier run.
        licence: Licence of the weights, as an SPDX identifier where there is one; empty if unknown.
        sha256: Hash of the file.
    """

    name: str
    source: str
    licence: str
    sha256: str

    def to_dict(self) -> dict[str, str]:
        """The facts as JSON values."""
        return asdict(self)


@final
@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How the images of the source were prepared. Mean and deviation are taken over, the rest is recorded.

    Attributes:
        mean: Mean of each channel, of pixels scaled to 0..1.
        std: Standard deviation of each channel.
        resolution: Side of the images in pixels; ``None`` if there were several.
        crop: Side of the centre crop as a share of the image's shorter side; ``None`` if unknown.
        interpolation: Method of the resizing.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    resolution: int | None
    crop: float | None = 0.875
    interpolation: str = "bilinear"

    def for_channels(self, channels: int) -> Preprocessing:
        """The same for grey or colour images: both have the mean over the channels of the source."""
        if channels == len(self.mean):
            return self
        mean, std = (sum(values) / len(values) for values in (self.mean, self.std))
        return replace(self, mean=(mean,) * channels, std=(std,) * channels)

    def to_dict(self) -> dict[str, Any]:
        """The facts as JSON values."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Pretrained:
    """A network with trained weights.

    Attributes:
        network: The network, with the classes and input channels that it was trained for.
        model: The network's module in evaluation mode. Its outputs are those of the source.
        classes: Names of the classes in order; empty if the source does not name them.
        preprocessing: How its images were prepared.
        origin: Where the weights come from.
    """

    network: NetworkSpec
    model: StaticNetwork
    classes: tuple[str, ...] = ()
    preprocessing: Preprocessing
    origin: Origin


@final
@dataclass(frozen=True, kw_only=True)
class Inherited:
    """What a supernet has inherited.

    Attributes:
        origin: Where the weights come from.
        names: Names of the supernet's parameters that are inherited, in whole or in part.
        share: Inherited weights as a share of the supernet's, 0 to 1.
        classifier: Whether the classifier is inherited; otherwise it is new.
        notes: Sentences for the user, e.g. about blocks that had nothing to inherit.
    """

    origin: Origin
    names: frozenset[str]
    share: float
    classifier: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Start(ABC):
    """Weights from which the training of a supernet starts.

    Attributes:
        origin: Where they come from.
        preprocessing: How the images of the source were prepared.
        classes: The classes of the source; empty if it does not name them.
        kernel_transform: Whether its smaller kernels are learned functions of larger ones.
    """

    IS_SUPERNET: ClassVar[bool] = False
    """Whether all subnets are trained, so that a supernet need not be trained further."""

    origin: Origin
    preprocessing: Preprocessing
    classes: tuple[str, ...] = ()
    kernel_transform: bool = False

    @abstractmethod
    def check(self, space: SearchSpace) -> None:
        """Raises a ``UserError`` that names the first difference if a space's supernet cannot take them."""

    @abstractmethod
    def apply(
        self, supernet: Supernet, *, classes: Sequence[str], images: Iterable[Tensor] = ()
    ) -> Inherited:
        """Copies the weights into a supernet.

        Args:
            supernet: A supernet with fresh weights. It is not changed if an error is raised.
            classes: The classes that it will be trained for. The classifier is inherited only if they are
                those of the source.
            images: Batches (N, C, H, W), normalised, for which the channels of a single network are sorted.

        Raises:
            UserError: If the supernet cannot take the weights.
        """


@final
@dataclass(frozen=True, kw_only=True)
class Store:
    """Where the files of named networks lie.

    Attributes:
        folder: A folder of downloaded files; ``None`` uses PyTorch's own.
        download: Whether a missing file may be downloaded.
    """

    folder: Path | None = None
    download: bool = False


class Source(ABC):
    """A publisher of weights. It finds files by name, and recognises files by their tensors."""

    NAME: ClassVar[str]

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Networks that are found by name; none for a source whose files the user provides."""

    @abstractmethod
    def find(self, name: str, *, store: Store) -> Path:
        """The file of one of ``names()``.

        Raises:
            UserError: If it is not there. The message says how to get it.
        """

    @abstractmethod
    def start(self, file: TensorFile) -> Start | None:
        """The weights of a file, or ``None`` if its tensors are not named as this source names them.

        Raises:
            UserError: If they are, but one is missing, surplus or has another shape.
        """


SOURCES: Registry[type[Source]] = Registry("source of pretrained weights", package="nas.pretrained.sources")
"""The sources by name. A new file in ``nas/pretrained/sources/`` adds one."""
