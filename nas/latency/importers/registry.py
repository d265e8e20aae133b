"""The formats that can be imported."""

FORMATS: dict[str, object] = {}
