"""A template as a tree that still knows where each value stood."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NoReturn

from opscore.workflows.findings import Code, Place, Report

MAX_DEPTH = 40
"""Deeper than any template that a person reads, shallow enough for plain recursion."""

MAX_WEIGHT = 512 * 1024
"""Nodes and characters of a whole template, with each alias counted as what it stands for."""

MAX_INTEGER = 2**53 - 1
"""JSONata's numbers are doubles: beyond this they lose digits."""

Plain = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value.

    `text` is how it was written, without quotes; it begins `indent` columns after the value's own
    column, or somewhere else if that is None.
    """

    value: Plain
    text: str
    line: int | None = None
    column: int | None = None
    indent: int | None = None
    weight: int = 1
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    line: int | None = None
    column: int | None = None
    weight: int = 1
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Mapping:
    """An object; keys are unique."""

    entries: tuple[tuple[Scalar, Node], ...]
    line: int | None = None
    column: int | None = None
    weight: int = 1
    depth: int = 1


Node = Scalar | Sequence | Mapping


def to_data(node: Node) -> Any:
    """The value without its places, as `json` would have read it."""
    match node:
        case Scalar(value=value):
            return value
        case Sequence(items=items):
            return [to_data(item) for item in items]
        case Mapping(entries=entries):
            return {key.text: to_data(value) for key, value in entries}


class Refused(Exception):
    """Reading can't go on; the reason is in the report."""


@dataclass(slots=True)
class _Open:
    kind: type[Sequence | Mapping]
    line: int | None
    column: int | None
    anchor: str | None
    keys: list[Scalar] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    values: list[Node] = field(default_factory=list)
    weight: int = 1
    depth: int = 1

    @property
    def awaits_key(self) -> bool:
        return self.kind is Mapping and len(self.keys) == len(self.values)


class Builder:
    """Makes a tree from parser events, and refuses what would cost too much."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._weight = 0
        self.root: Node | None = None

    def start(
        self,
        kind: type[Sequence | Mapping],
        line: int | None,
        column: int | None,
        anchor: str | None = None,
    ) -> None:
        """Begin a list or an object."""
        place = Place(line=line, column=column)
        if self._open and self._open[-1].awaits_key:
            self._refuse(Code.YAML_FEATURE, "a key must be text, not a list or an object", place)
        if len(self._open) >= MAX_DEPTH:
            self._refuse(Code.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels", place)
        self._grow(1, place)
        self._open.append(_Open(kind, line, column, anchor))

    def end(self) -> None:
        """Finish the innermost list or object."""
        top = self._open.pop()
        node: Node
        if top.kind is Mapping:
            entries = tuple(zip(top.keys, top.values, strict=True))
            node = Mapping(entries, top.line, top.column, top.weight, top.depth)
        else:
            node = Sequence(tuple(top.values), top.line, top.column, top.weight, top.depth)
        self._attach(node, top.anchor)

    def scalar(self, node: Scalar, anchor: str | None = None) -> None:
        """Add one value, or one key."""
        place = Place(line=node.line, column=node.column)
        self._check_scalar(node, place)
        self._grow(node.weight, place)
        if self._open and self._open[-1].awaits_key:
            self._key(node, place)
        else:
            self._attach(node, anchor)

    def alias(self, name: str, place: Place) -> None:
        """Repeat an anchored value; it weighs what it would if it were written out."""
        node = self._anchors.get(name)
        if node is None:
            self._refuse(Code.YAML_FEATURE, f"no anchor ends before alias '*{short(name)}'", place)
        if len(self._open) + node.depth > MAX_DEPTH:
            self._refuse(Code.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels", place)
        self._grow(node.weight, place)
        if self._open and self._open[-1].awaits_key:
            self._refuse(Code.YAML_FEATURE, "a key must be text, not an alias", place)
        self._attach(node, None)

    def _key(self, node: Scalar, place: Place) -> None:
        top = self._open[-1]
        if node.text in top.seen:
            self._report.error(
                Code.DUPLICATE_KEY, f"key '{short(node.text)}' stands here twice", place
            )
        top.seen.add(node.text)
        top.keys.append(node)

    def _attach(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if not self._open:
            self.root = node
            return
        top = self._open[-1]
        top.values.append(node)
        top.weight += node.weight
        top.depth = max(top.depth, node.depth + 1)

    def _grow(self, weight: int, place: Place) -> None:
        self._weight += weight
        if self._weight > MAX_WEIGHT:
            self._refuse(Code.TOO_LARGE, "too large once its aliases are written out", place)

    def _check_scalar(self, node: Scalar, place: Place) -> None:
        match node.value:
            case bool() | None:
                pass
            case str() as text:
                try:
                    text.encode()
                except UnicodeEncodeError:
                    self._report.error(
                        Code.NOT_UTF8, "half of a surrogate pair is not a character", place
                    )
            case int() as number if abs(number) > MAX_INTEGER:
                self._report.error(
                    Code.BAD_VALUE,
                    "the number loses digits in JSONata",
                    place,
                    "quote it to keep it as text",
                )
            case float() as number if not math.isfinite(number):
                self._report.error(Code.BAD_VALUE, "JSON has no such number", place)
            case _:
                pass

    def _refuse(self, code: Code, message: str, place: Place) -> NoReturn:
        self._report.error(code, message, place)
        raise Refused


def short(text: str, limit: int = 60) -> str:
    """Text from a template as it may stand in a message: on one line, not too long."""
    line = " ".join(text[: 2 * limit].split())
    line = "".join(char if char.isprintable() else "\ufffd" for char in line)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
