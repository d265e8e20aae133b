"""Published accuracies of a space's networks, from which the accuracy of any other is predicted."""

from __future__ import annotations

from nas.published.accuracies import (
    PublishedAccuracies,
    published_path,
    published_spaces,
    read_published,
)
from nas.published.forecast import PublishedAccuracy

__all__ = [
    "PublishedAccuracies",
    "PublishedAccuracy",
    "published_path",
    "published_spaces",
    "read_published",
]
