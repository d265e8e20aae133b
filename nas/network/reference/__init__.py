"""Published networks by name. A new family is a new file in this folder."""

from __future__ import annotations

from nas.network.reference.base import (
    UNROUNDED,
    Body,
    Reference,
    reference,
    reference_names,
    reference_network,
)

__all__ = ["UNROUNDED", "Body", "Reference", "reference", "reference_names", "reference_network"]
