"""Masks passwords in addresses before they are shown, logged or written."""

from __future__ import annotations

import re
from typing import Any

_LOGIN = re.compile(r"(://[^:/@\s]*):\S*@")
_QUERY = re.compile(r"([?&](?:password|passwd|sslpassword)=)[^&\s'\"]*")


def masked(text: str) -> str:
    """Replaces every password in an address by ``***``.

    >>> masked("search.storage=postgresql://me:secret@host/studies")
    'search.storage=postgresql://me:***@host/studies'
    """
    return _QUERY.sub(r"\1***", _LOGIN.sub(r"\1:***@", text))


def masked_values(value: Any) -> Any:
    """Masks every string in a JSON value."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {key: masked_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked_values(item) for item in value]
    return value
