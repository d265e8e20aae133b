"""A cache of evaluations, for later searches on the same weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from nas.errors import UserError
from nas.files import append_lines
from nas.network import NetworkSpec
from nas.statistics import Count


@final
class EvaluationCache:
    """Counts by network, in memory or in a file of JSON lines that several processes share.

    Everything else that a count depends on is hashed into a key, so the file may also hold results of other
    weights, images or settings.
    """

    def __init__(self, path: Path | None = None, *, facts: Mapping[str, Any] | None = None) -> None:
        """Opens or creates a cache.

        Args:
            path: The file; by default, counts are kept in memory.
            facts: What a count depends on besides the network, as JSON values: hashes of the weights and of
                the split, the calibration's seed and number of images.
        """
        self._path, self._facts = path, dict(facts or {})
        self._key = _hash(self._facts)
        self._counts: dict[tuple[str, int], Count] = {}
        self._read_to = 0

    def with_facts(self, facts: Mapping[str, Any]) -> EvaluationCache:
        """Returns a cache in the same file for counts that also depend on these facts."""
        return EvaluationCache(self._path, facts={**self._facts, **facts})

    def get(self, network: NetworkSpec, images: int) -> Count | None:
        """Returns the count of a network on the first ``images`` images, if any process has evaluated it.

        Raises:
            UserError: If the file is damaged.
        """
        self._read()
        return self._counts.get((_hash(network.to_dict()), images))

    def put(self, network: NetworkSpec, count: Count) -> None:
        """Records a count; in a file, it survives the death of this process."""
        code = _hash(network.to_dict())
        if self._path is None:
            self._counts[code, count.total] = count
            return
        entry = {"key": self._key, "network": code, "correct": count.correct, "images": count.total}
        append_lines(self._path, [json.dumps(entry)], sync=False)

    def _read(self) -> None:
        """Reads the lines added since the last call."""
        if self._path is None or not self._path.exists():
            return
        with self._path.open("rb") as stream:
            stream.seek(self._read_to)
            text = stream.read()
        whole = text[: text.rfind(b"\n") + 1]
        for line in whole.splitlines():
            self._add(line)
        self._read_to += len(whole)

    def _add(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            correct = entry["correct"]
            count = Count(correct if isinstance(correct, int) else float(correct), int(entry["images"]))
            if entry["key"] == self._key:
                self._counts[str(entry["network"]), count.total] = count
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise UserError(
                f"{self._path} is damaged ({error!r}); delete it: evaluations are then done again"
            ) from None


def _hash(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:24]
