"""Opaque cursors: what a list hands out to go on from, checked when it comes back."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from opscore.errors import InvalidCursor
from opscore.ports import Key, Page, Scalar, Store, Table
from opscore.records.codec import decode
from opscore.records.keys import INDEX_KEYS

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


@dataclass(frozen=True)
class Listing(Generic[T]):
    """One page of a list, and the cursor of the next."""

    items: Sequence[T]
    next_cursor: str | None


Position = tuple[int, Mapping[str, Scalar] | None]
"""Which of the list's partitions, and where in it."""


def read_cursor(cursor: str | None, list_name: str) -> Position:
    """The position that a cursor of this list stands for. Raises InvalidCursor."""
    if cursor is None:
        return 0, None
    try:
        shard, after, mark = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (ValueError, TypeError, RecursionError):
        raise InvalidCursor("cursor can't be read; take it from nextCursor as it is") from None
    well_formed = (
        isinstance(shard, int)
        and shard >= 0
        and (after is None or isinstance(after, dict))
        and mark == _mark(list_name, shard, after)
    )
    if not well_formed:
        raise InvalidCursor("cursor belongs to another list; start again without one")
    return shard, after


def write_cursor(position: Position, list_name: str) -> str:
    """The cursor of a position. The mark ties it to its list; it is a check, not a secret: what a
    cursor can reach is the list that the caller may read anyway.
    """
    shard, after = position
    parts = [shard, after, _mark(list_name, shard, after)]
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode()


def _mark(list_name: str, shard: int, after: Mapping[str, Scalar] | None) -> str:
    text = json.dumps([list_name, shard, after], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def walk(
    list_name: str,
    partitions: Sequence[str],
    read: Callable[[str, int, Mapping[str, Scalar] | None], Page],
    *,
    limit: int,
    cursor: str | None,
) -> tuple[list[Page], str | None]:
    """Read up to `limit` items from the partitions, one after the other.

    Raises InvalidCursor.
    """
    shard, after = read_cursor(cursor, list_name)
    pages: list[Page] = []
    left = limit
    while shard < len(partitions):
        page = read(partitions[shard], left, after)
        pages.append(page)
        left -= len(page.items)
        after = page.after
        if after is None:
            shard += 1
        if left <= 0 and shard < len(partitions):
            return pages, write_cursor((shard, after), list_name)
    return pages, None


def merged(
    store: Store,
    table: Table,
    index: str,
    partitions: Sequence[str],
    *,
    list_name: str,
    limit: int,
    cursor: str | None,
) -> tuple[list[Key], str | None]:
    """Keys of a page of the list that several partitions of an index make together, in the order of
    its sort key, and the next cursor. Raises InvalidCursor.
    """
    names = ("pk", "sk", *INDEX_KEYS[index])
    _, stood = read_cursor(cursor, list_name)
    after: dict[str, Scalar] = dict(stood or {})
    found, more = [], False
    for number, partition in enumerate(partitions):
        place = {name: after[f"{number}.{name}"] for name in names if f"{number}.{name}" in after}
        page = store.query_index(table, index, partition, limit=limit, after=place or None)
        more = more or page.after is not None
        sort_key = INDEX_KEYS[index][1]
        found += [(str(item[sort_key]), number, key, item) for key, item in page.items]
    found.sort(key=lambda entry: entry[:2])
    for _, number, key, item in found[:limit]:
        place = {"pk": key.pk, "sk": key.sk, **item}
        after |= {f"{number}.{name}": place[name] for name in names}
    more = more or len(found) > limit
    next_cursor = write_cursor((0, after), list_name) if more else None
    return [key for _, _, key, _ in found[:limit]], next_cursor


def index_page(
    store: Store,
    model: type[M],
    table: Table,
    index: str,
    partition: str,
    *,
    list_name: str,
    limit: int,
    cursor: str | None,
    newest_first: bool = False,
) -> Listing[M]:
    """A page of the list that one partition of an index is; an index holds keys alone, so each item
    is read from its table. Raises InvalidCursor.
    """

    def read(partition: str, limit: int, after: Mapping[str, Scalar] | None) -> Page:
        return store.query_index(
            table, index, partition, limit=limit, after=after, newest_first=newest_first
        )

    pages, next_cursor = walk(list_name, [partition], read, limit=limit, cursor=cursor)
    wanted = [key for page in pages for key, _ in page.items]
    found = store.get_many(wanted)
    return Listing([decode(model, found[key]) for key in wanted if key in found], next_cursor)
