"""How dead letters lie in the work table."""

from __future__ import annotations

from collections.abc import Mapping

from opscore.models.dead_letter import DeadLetter
from opscore.ports import Page, Put, Scalar, Store, Table
from opscore.records import keys
from opscore.records.codec import decode, encode
from opscore.records.paging import Listing, walk

LISTED = "deadLetters"


class DeadLetters:
    """Reads dead letters, and makes the changes that write them."""

    def __init__(self, store: Store, retention_days: int) -> None:
        self._store = store
        self._retention_days = retention_days

    def get(self, dead_letter_id: str) -> DeadLetter | None:
        item = self._store.get(keys.dead_letter(dead_letter_id))
        return None if item is None else decode(DeadLetter, item)

    def added(self, letter: DeadLetter) -> Put:
        """The letter, if it is not there yet."""
        item = encode(letter) | {
            "listPk": LISTED,
            "listSk": f"{letter.recorded_at:013d}#{letter.dead_letter_id}",
            "ttl": letter.recorded_at // 1000 + self._retention_days * 86_400,
        }
        return Put(keys.dead_letter(letter.dead_letter_id), item, rev=0)

    def listed(self, *, limit: int, cursor: str | None) -> Listing[DeadLetter]:
        """A page of dead letters, the newest first."""

        def read(partition: str, limit: int, after: Mapping[str, Scalar] | None) -> Page:
            return self._store.query_index(
                Table.WORK, keys.LIST, partition, limit=limit, after=after, newest_first=True
            )

        pages, next_cursor = walk(LISTED, [LISTED], read, limit=limit, cursor=cursor)
        wanted = [key for page in pages for key, _ in page.items]
        found = self._store.get_many(wanted)
        return Listing(
            [decode(DeadLetter, found[key]) for key in wanted if key in found], next_cursor
        )
