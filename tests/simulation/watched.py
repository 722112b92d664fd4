"""A store that lets others look at each write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opscore.ports import Change, Item, Key, Page, Store, Table

Observer = Callable[[Mapping[Key, Item | None]], None]
"""Told the keys of a write that was made, with what stood there before."""


class WatchedStore:
    """Passes everything on; after each write, `observe` is told of it."""

    def __init__(self, store: Store) -> None:
        self._store = store
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
        before = {change.key: self._store.get(change.key) for change in changes}
        self._store.write(*changes)
        self.observe(before)
