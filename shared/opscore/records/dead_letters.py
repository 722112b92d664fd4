"""How dead letters lie in the work table."""

from __future__ import annotations

from opscore.models.dead_letter import DeadLetter
from opscore.ports import Put, Store, Table
from opscore.records import keys
from opscore.records.codec import decode, encode
from opscore.records.paging import Listing, index_page

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
            **keys.expiry(letter.recorded_at, self._retention_days),
        }
        return Put(keys.dead_letter(letter.dead_letter_id), item, rev=0)

    def listed(self, *, limit: int, cursor: str | None) -> Listing[DeadLetter]:
        """A page of dead letters, the newest first."""
        return index_page(
            self._store,
            DeadLetter,
            Table.WORK,
            keys.LIST,
            LISTED,
            list_name=LISTED,
            limit=limit,
            cursor=cursor,
            newest_first=True,
        )
