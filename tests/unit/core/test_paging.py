"""Lists come page by page, each item once; a cursor is taken only by the list that gave it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opscore.errors import InvalidCursor
from opscore.ports import Key, Page, Put, Scalar, Table
from opscore.records.paging import Position, read_cursor, walk, write_cursor
from tests.support.memory import MemoryStore


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(1, 6))
def test_every_item_is_listed_once_whatever_the_limit(sizes: list[int], limit: int) -> None:
    store = MemoryStore()
    wanted = []
    for shard, size in enumerate(sizes):
        for number in range(size):
            key = Key(Table.WORK, f"p{shard}", f"{number:03d}")
            store.write(Put(key, {"n": number}, rev=0))
            wanted.append(key)

    def read(partition: str, count: int, after: Mapping[str, Scalar] | None) -> Page:
        return store.query(Table.WORK, partition, limit=count, after=after)

    found: list[Key] = []
    cursor: str | None = None
    for _ in range(sum(sizes) + 2):
        partitions = [f"p{shard}" for shard in range(len(sizes))]
        pages, cursor = walk("list", partitions, read, limit=limit, cursor=cursor)
        page = [key for part in pages for key, _ in part.items]
        assert len(page) <= limit
        found += page
        if cursor is None:
            break

    assert cursor is None
    assert found == wanted


def test_a_cursor_is_read_as_it_was_written() -> None:
    position: Position = (2, {"pk": "a", "sk": "é", "dueAt": 7})

    assert read_cursor(write_cursor(position, "list"), "list") == position
    assert read_cursor(None, "list") == (0, None)


def test_a_cursor_of_another_list_is_refused() -> None:
    cursor = write_cursor((0, {"pk": "session#1", "sk": "x"}), "sessions/None/None")

    with pytest.raises(InvalidCursor, match="another list"):
        read_cursor(cursor, "sessions/failed/None")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        "!!!!",
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 3000).decode(),
        encoded(5),
        encoded(None),
        encoded([]),
        encoded([0, None]),
        encoded({"a": 1, "b": 2, "c": 3}),
        encoded("abc"),
        encoded([0, None, "mark"]),
        encoded([-1, None, "mark"]),
        encoded(["0", None, "mark"]),
        encoded([0, ["pk"], "mark"]),
        encoded([10**400, None, "mark"]),
    ],
)
def test_a_forged_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        read_cursor(cursor, "list")


def test_a_cursor_whose_position_was_changed_is_refused() -> None:
    shard, after, mark = json.loads(
        base64.urlsafe_b64decode(write_cursor((0, {"pk": "a", "sk": "b"}), "list"))
    )

    for forged in ([shard + 1, after, mark], [shard, {**after, "pk": "c"}, mark]):
        with pytest.raises(InvalidCursor):
            read_cursor(encoded(forged), "list")


@given(st.text(max_size=40))
def test_no_text_fails_otherwise_than_by_being_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        read_cursor(cursor, "list")
