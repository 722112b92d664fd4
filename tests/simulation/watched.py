"""A store that lets others look at each write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from opscore.ports import Change, ConditionFailed, Item, Key, Page, Store, Table
from tests.support.memory import MemoryStore

T = TypeVar("T")

Observer = Callable[[Mapping[Key, Item | None]], None]
"""Told the keys of a write that was made, with what stood there before."""


class WatchedStore:
    """Passes everything on; after each write, `observe` is told of it. `seen`: where to look what
    stands there, without the services' knowing.
    """

    def __init__(self, store: Store, seen: Store | None = None) -> None:
        self._store = store
        self.seen = seen or store
        self.observe: Observer = lambda _: None

    def get(self, key: Key) -> Item | None:
        return self._store.get(key)

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Item]:
        return self._store.get_many(keys)

    def query(self, table: Table, pk: str, **more: Any) -> Page:
        return self._store.query(table, pk, **more)

    def query_index(self, table: Table, index: str, partition: str, **more: Any) -> Page:
        return self._store.query_index(table, index, partition, **more)

    def write(self, *changes: Change) -> None:
        before = {change.key: self.seen.get(change.key) for change in changes}
        self._store.write(*changes)
        self.observe(before)


class MirroredStore:
    """A real store with the fake beside it: whatever is asked of one, the other must say too."""

    def __init__(self, real: Store) -> None:
        self.memory = MemoryStore()
        self._real = real

    def get(self, key: Key) -> Item | None:
        return _same(self._real.get(key), self.memory.get(key))

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Item]:
        return _same(self._real.get_many(keys), self.memory.get_many(keys))

    def query(self, table: Table, pk: str, **more: Any) -> Page:
        page = self._real.query(table, pk, **more)
        _same(page.items, self.memory.query(table, pk, **more).items)
        return page

    def query_index(self, table: Table, index: str, partition: str, **more: Any) -> Page:
        page = self._real.query_index(table, index, partition, **more)
        # Items of one sort key stand in any order.
        known = self.memory.query_index(table, index, partition, **more)
        assert len(page.items) == len(known.items), (page, known)
        return page

    def write(self, *changes: Change) -> None:
        refused = _refusal(self._real, changes)
        known = _refusal(self.memory, changes)
        assert (refused and refused.failed) == (known and known.failed), (changes, refused, known)
        if refused is not None:
            raise refused


def _same(real: T, known: T) -> T:
    assert real == known, f"{real} on DynamoDB, {known} in the fake"
    return real


def _refusal(store: Store, changes: Sequence[Change]) -> ConditionFailed | None:
    try:
        store.write(*changes)
    except ConditionFailed as refused:
        return refused
    return None
