"""Reading one field: its value, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from opscore.workflows.durations import MAX_SECONDS, parse_duration
from opscore.workflows.expressions import check_text, is_expression, read_expression
from opscore.workflows.findings import Code, Place, Report
from opscore.workflows.language import Expression, Payload
from opscore.workflows.nodes import Mapping, Node, Scalar, Sequence, short

T = TypeVar("T")
D = TypeVar("D")

_KINDS = {Mapping: "an object", Sequence: "a list"}


class Unreadable(Exception):
    """The field has no value that could be used; whoever asked goes on with a stand-in."""


@dataclass(frozen=True, slots=True)
class Field:
    """A value in the template, with the path that led to it and the report on it."""

    node: Node
    path: str
    report: Report

    @property
    def place(self) -> Place:
        """Where the value stands."""
        return Place(self.path, self.node.line, self.node.column)

    @property
    def name(self) -> str:
        """The last part of the path, as messages call it."""
        return self.path.rsplit(".", 1)[-1] or "the template"

    @property
    def is_null(self) -> bool:
        """Whether it says nothing; for most fields that is as good as not given."""
        return isinstance(self.node, Scalar) and self.node.value is None

    @property
    def is_expression(self) -> bool:
        """Whether it is one expression."""
        value = self.node.value if isinstance(self.node, Scalar) else None
        return isinstance(value, str) and is_expression(value)

    def error(self, code: Code, message: str, hint: str = "") -> None:
        """Refuse the template for this value."""
        self.report.error(code, message, self.place, hint)

    def fail(self, code: Code, message: str, hint: str = "") -> NoReturn:
        """Refuse the template, and don't go on with this value."""
        self.error(code, message, hint)
        raise Unreadable

    def wrong_type(self, wanted: str) -> NoReturn:
        """Refuse a value of another type."""
        found = _KINDS.get(type(self.node)) or _described(self.node)
        self.fail(Code.WRONG_TYPE, f"{self.name} must be {wanted}, not {found}")

    def items(self) -> tuple[Field, ...] | None:
        """The fields of a list, or None when it is none."""
        if not isinstance(self.node, Sequence):
            return None
        return tuple(
            Field(item, f"{self.path}[{index}]", self.report)
            for index, item in enumerate(self.node.items)
        )

    def entries(self) -> dict[str, Field] | None:
        """The fields of an object, or None when it is none."""
        if not isinstance(self.node, Mapping):
            return None
        prefix = f"{self.path}." if self.path else ""
        return {
            key.text: Field(value, f"{prefix}{short(key.text)}", self.report)
            for key, value in self.node.entries
        }


class Fields:
    """The fields of one object, by name; what is not asked for was unknown."""

    def __init__(self, field: Field, known: Collection[str], hint: str = "") -> None:
        self.field = field
        if not isinstance(field.node, Mapping):
            field.wrong_type("an object")
        self._entries = field.entries() or {}
        for key, place in self._keys(field.node):
            if key not in known and not key.startswith("x-"):
                message = f"there is no field '{short(key)}' here"
                near = field.report.suggest(key, known)
                field.report.error(Code.UNKNOWN_FIELD, message, place, near or hint)

    def _keys(self, node: Mapping) -> Iterator[tuple[str, Place]]:
        prefix = f"{self.field.path}." if self.field.path else ""
        for key, _ in node.entries:
            yield key.text, Place(f"{prefix}{short(key.text)}", key.line, key.column)

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def get(self, key: str) -> Field | None:
        """The field, or None if it is not given or null."""
        found = self.raw(key)
        return None if found is None or found.is_null else found

    def raw(self, key: str) -> Field | None:
        """The field, null too, or None if it is not given."""
        return self._entries.get(key)

    def require(self, key: str) -> None:
        """Report the field's absence."""
        if self.get(key) is None:
            self.field.error(Code.MISSING_FIELD, f"field '{key}' is missing")

    def read(self, key: str, reader: Callable[[Field], T], default: D) -> T | D:
        """The field's value, or the default if it is not given or unreadable."""
        found = self.get(key)
        return default if found is None else attempt(found, reader, default)


def attempt(field: Field, reader: Callable[[Field], T], default: D) -> T | D:
    """The value, or the default if it is unreadable."""
    try:
        return reader(field)
    except Unreadable:
        return default


def read_text(field: Field, longest: int = 256) -> str:
    """Plain text; a number is taken as it was written."""
    node = field.node
    if not isinstance(node, Scalar) or node.value is None or isinstance(node.value, bool):
        field.wrong_type("text")
    if is_expression(node.text):
        field.fail(Code.NO_EXPRESSION_HERE, f"{field.name} can't be an expression")
    if not check_text(node.text, field.place, field.report):
        raise Unreadable
    if not 1 <= len(node.text) <= longest:
        field.fail(Code.BAD_VALUE, f"{field.name} must have 1 to {longest} characters")
    return node.text


def read_integer(low: int, high: int) -> Callable[[Field], int]:
    """A reader of whole numbers from low to high."""

    def reader(field: Field) -> int:
        value = field.node.value if isinstance(field.node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int):
            field.wrong_type("a whole number")
        if not low <= value <= high:
            field.fail(Code.BAD_VALUE, f"{field.name} must be from {low} to {high}")
        return value

    return reader


def read_number(low: float, high: float) -> Callable[[Field], float]:
    """A reader of numbers from low to high."""

    def reader(field: Field) -> float:
        value = field.node.value if isinstance(field.node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            field.wrong_type("a number")
        if not low <= value <= high:
            field.fail(Code.BAD_VALUE, f"{field.name} must be from {low:g} to {high:g}")
        return float(value)

    return reader


def read_duration(field: Field) -> int:
    """A duration of at least a second, in seconds."""
    node = field.node
    if field.is_expression:
        field.fail(Code.NO_EXPRESSION_HERE, f"{field.name} can't be an expression")
    seconds = None
    if isinstance(node, Scalar) and not isinstance(node.value, bool):
        seconds = parse_duration(node.text)
    if seconds is None:
        shown = f"'{short(node.text)}'" if isinstance(node, Scalar) else "this"
        hint = "write 30s, 5m, 2h, 1d or ISO 8601, in whole seconds"
        field.fail(Code.BAD_DURATION, f"{shown} is no duration", hint)
    if not 1 <= seconds <= MAX_SECONDS:
        field.fail(Code.BAD_DURATION, f"{field.name} must be from 1 s to 365 d")
    return seconds


def or_expression(reader: Callable[[Field], T]) -> Callable[[Field], T | Expression]:
    """A reader that takes an expression in place of the value."""

    def either(field: Field) -> T | Expression:
        if field.is_expression and isinstance(field.node, Scalar):
            return read_expression(field.node, field.path, field.report)
        return reader(field)

    return either


def read_payload(field: Field) -> Payload:
    """JSON with expressions anywhere in it."""
    match field.node:
        case Scalar(value=value) as node:
            if not isinstance(value, str):
                return value
            if is_expression(value):
                return read_expression(node, field.path, field.report)
            check_text(value, field.place, field.report)
            return value
        case Sequence():
            return tuple(read_payload(item) for item in field.items() or ())
        case Mapping():
            return {key: read_payload(value) for key, value in (field.entries() or {}).items()}


def _described(node: Node) -> str:
    value = node.value if isinstance(node, Scalar) else None
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case _:
            return "text"
