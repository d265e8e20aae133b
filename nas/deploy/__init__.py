"""Deployment of a trained network: export, parity, accuracy of the exported files, manifest.

Heavy packages are imported on first use, so that a report can read a manifest without PyTorch.
"""

from __future__ import annotations

from nas.deploy.artefact import evaluate_artefact, write_artefacts
from nas.deploy.formats import Format, Source, format_names, open_artefact
from nas.deploy.manifest import Artefact, Spread, read_manifest, write_manifest
from nas.deploy.onnx import Metadata, export_onnx, read_metadata
from nas.deploy.parity import Parity, check_parity

__all__ = [
    "Artefact",
    "Format",
    "Metadata",
    "Parity",
    "Source",
    "Spread",
    "check_parity",
    "evaluate_artefact",
    "export_onnx",
    "format_names",
    "open_artefact",
    "read_manifest",
    "read_metadata",
    "write_artefacts",
    "write_manifest",
]
