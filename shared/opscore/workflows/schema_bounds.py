"""How much work a JSON Schema can make, whatever value it is held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MAX_CHECKS = 500
"""Subschemas that one value may be held against, each reference followed and counted again."""

MAX_DEPTH = 32
MAX_FAULTS = 20
TEXT_PER_PART = 32
"""Characters of a text that count as much as a part of their own, for the sake of patterns."""

_ONE = (
    "items",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
    "not",
    "if",
    "then",
    "else",
)
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "dependentSchemas", "dependencies", "$defs")
_TWICE = ("unevaluatedItems", "unevaluatedProperties")
"""Keywords for which everything beside them is looked at once more."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not fit, and where. The message names fields, but never shows a value."""

    path: Path
    message: str

    def at(self, root: str) -> str:
        """The fault as one text: `root.path: message`."""
        return f"{_dotted(root, self.path)}: {self.message}"


class Bounds:
    """How much work a schema can make: references followed, none of them in a circle."""

    def __init__(self, schema: Any) -> None:
        self._root = schema
        self._costs: dict[int, int] = {}
        self._open: set[int] = set()
        self._faults: list[Fault] = []

    def checks(self) -> int:
        """Subschemas that a value may be held against."""
        return self._cost(self._root, ())

    def faults(self) -> list[Fault]:
        checks = self.checks()
        if checks > MAX_CHECKS and not self._faults:
            message = f"the schema makes for {checks} checks of a value; at most {MAX_CHECKS} do"
            self._refuse((), message)
        return self._faults

    def _refuse(self, path: Path, message: str) -> int:
        if len(self._faults) < MAX_FAULTS:
            self._faults.append(Fault(path, message))
        return 1

    def _cost(self, schema: Any, path: Path) -> int:
        if not isinstance(schema, Mapping):
            return 1
        if id(schema) in self._open:
            return self._refuse(path, "a schema can't contain itself")
        if len(path) > 2 * MAX_DEPTH or len(self._open) > MAX_DEPTH:
            return self._refuse(path, f"the schema is nested deeper than {MAX_DEPTH} levels")
        if id(schema) not in self._costs:
            self._open.add(id(schema))
            own = 1 + sum(self._cost(part, (*path, *where)) for where, part in _parts(schema))
            own += self._referred(schema, path)
            self._open.remove(id(schema))
            self._costs[id(schema)] = own * 2 if any(name in schema for name in _TWICE) else own
        return self._costs[id(schema)]

    def _referred(self, schema: Mapping[str, Any], path: Path) -> int:
        if "$dynamicRef" in schema or (path and "$id" in schema):
            return self._refuse(path, "$dynamicRef, and $id inside a schema, are not taken")
        if schema.get("$schema", DIALECT) != DIALECT:
            return self._refuse((*path, "$schema"), f"only {DIALECT} is known")
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return 0
        target = _resolved(self._root, reference)
        if target is None:
            message = "a reference must be #/ and the place of a schema in this one"
            return self._refuse((*path, "$ref"), message)
        return self._cost(target, (*path, "$ref"))


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for name in _ONE:
        if name in schema:
            yield (name,), schema[name]
    for name in _LISTS:
        if isinstance(schema.get(name), list):
            yield from (((name, i), part) for i, part in enumerate(schema[name]))
    for name in _MAPS:
        if isinstance(schema.get(name), Mapping):
            yield from (((name, key), part) for key, part in schema[name].items())


def parts_of(value: Any) -> int:
    """How many parts a value has; long texts count as several."""
    parts, left = 0, [value]
    while left:
        part = left.pop()
        parts += 1
        match part:
            case dict():
                left.extend(part.values())
                parts += sum(1 + len(name) // TEXT_PER_PART for name in part)
            case list():
                left.extend(part)
            case str():
                parts += len(part) // TEXT_PER_PART
    return parts


def _resolved(root: Any, reference: str) -> Any | None:
    if reference == "#":
        return root
    # What is percent-encoded could be read in two ways.
    if not reference.startswith("#/") or "%" in reference:
        return None
    found = root
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, list) and name.isascii() and name.isdigit() and len(name) < 6:
            found = found[int(name)] if int(name) < len(found) else None
        else:
            return None
    return found


def _dotted(root: str, path: Path) -> str:
    return root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
