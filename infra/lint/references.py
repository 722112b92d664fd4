"""What the rules share to follow a template's references."""

from __future__ import annotations

from typing import Any


def target(value: Any) -> str | None:
    """The logical id that a Ref or a GetAtt points to."""
    match value:
        case {"Ref": str(name)}:
            return name
        case {"Fn::GetAtt": [str(name), *_]}:
            return name
        case {"Fn::GetAtt": str(text)}:
            return text.partition(".")[0]
        case _:
            return None


def number(value: Any, parameters: dict[str, Any]) -> int | None:
    """A number as it is deployed by default; None if the template does not tell."""
    if isinstance(value, dict):
        value = parameters.get(target(value) or "", {}).get("Default")
    return None if value is None else int(value)
