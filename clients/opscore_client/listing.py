from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, cast

from opscore_client.http import Http

T = TypeVar("T")
PAGE: Final = 100


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items, and the cursor of those after them (None: there are no more)."""

    items: list[T]
    next_cursor: str | None


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A list on the server, fetched only as far as it is read. Iterating follows the cursors."""

    http: Http
    path: str
    filters: Mapping[str, str | None]

    def page(self, limit: int = PAGE, cursor: str | None = None) -> Page[T]:
        """One request's worth of items, `limit` at the most."""
        params = {**self.filters, "limit": limit, "cursor": cursor}
        body = self.http.call("GET", self.path, params=params)
        return Page(cast("list[T]", body.get("items", [])), body.get("nextCursor"))

    def first(self, count: int, cursor: str | None = None) -> Page[T]:
        """The next `count` items from `cursor` on, over as many pages as that takes."""
        items: list[T] = []
        while True:
            page = self.page(min(PAGE, count - len(items)), cursor)
            items += page.items
            cursor = page.next_cursor
            if cursor is None or len(items) >= count:
                return Page(items, cursor)

    def __iter__(self) -> Iterator[T]:
        cursor: str | None = None
        while True:
            page = self.page(cursor=cursor)
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return
