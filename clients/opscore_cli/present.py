"""Results on stdout in one of three forms: JSON, a table for people, plain lines for pipes."""

import json
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

T = TypeVar("T")

_STYLES: Mapping[str, str] = {
    "completed": "green",
    "done": "green",
    "kept": "green",
    "idle": "green",
    "failed": "red",
    "error": "red",
    "cancelled": "yellow",
    "paused": "yellow",
    "waiting": "yellow",
    "superseded": "dim",
    "UNKNOWN": "dim",
}


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column of a list: its heading, and what an item shows in it."""

    title: str
    show: Callable[[T], Any]
    is_status: bool = False


def printable(value: Any) -> str:
    """Text for one line of a terminal; names and errors come from agents and could steer it."""
    if value is None or value == "":
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(" " if unicodedata.category(char) in {"Cc", "Cf"} else char for char in text)


def coloured(status: str) -> Text:
    """A status word in its colour; any other text as it is."""
    return Text(printable(status), style=_STYLES.get(status, ""))


def write_json(value: Any) -> None:
    """One JSON document and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def table(columns: Sequence[Column[T]], rows: Sequence[T]) -> Table:
    """A table of items."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column.title, overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(column, row) for column in columns))
    return grid


def _cell(column: Column[T], row: T) -> Text:
    text = printable(column.show(row))
    return coloured(text) if column.is_status else Text(text)


def write_rows(console: Console, columns: Sequence[Column[T]], rows: Sequence[T]) -> None:
    """A table on a terminal; otherwise a line for each item, its fields divided by tabs."""
    if console.is_terminal:
        console.print(table(columns, rows))
        return
    for row in rows:
        sys.stdout.write("\t".join(printable(column.show(row)) for column in columns) + "\n")


def write_fields(console: Console, fields: Mapping[str, Any]) -> None:
    """Names and values of one thing, one a line."""
    if not console.is_terminal:
        for name, value in fields.items():
            sys.stdout.write(f"{name}\t{printable(value)}\n")
        return
    grid = Table.grid(padding=(0, 2))
    for name, value in fields.items():
        grid.add_row(Text(name, style="bold"), coloured(printable(value)))
    console.print(grid)
