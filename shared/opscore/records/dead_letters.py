"""How dead letters lie in the work table: the letter, its message beside it, and an entry in each
list that it is found by.

The lists are partitions of the table itself, in the order of time. An entry is a pointer, so that
what changes of a letter is written once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

from opscore.models.dead_letter import DeadLetter, LetterError, LetterState
from opscore.ports import Change, Delete, Item, Key, Put, Store, Table, Update
from opscore.records import keys
from opscore.records.codec import decode, encode
from opscore.records.paging import Listing, read_cursor, write_cursor

PAGE = 100
MAX_READ = 1000
"""Entries that one request for a list reads at the most; then it answers with what it has found."""


@dataclass(frozen=True)
class LetterFilter:
    """Which letters are meant; times in ms, both included."""

    workflow_id: str | None = None
    capability: str | None = None
    error: LetterError | None = None
    state: LetterState | None = None
    since: int | None = None
    until: int | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether it takes the letter, whose time is right."""
        wanted = (self.workflow_id, self.capability, self.error, self.state)
        found = (letter.workflow_id, letter.agent_capability, letter.error, letter.state)
        return all(w is None or w == f for w, f in zip(wanted, found, strict=True))

    def list_name(self) -> str:
        """The list with the fewest letters that are not meant."""
        if self.workflow_id is not None:
            return keys.letters("workflow", self.workflow_id)
        if self.capability is not None:
            return keys.letters("capability", self.capability)
        if self.error is not None:
            return keys.letters("error", self.error)
        return keys.letters("open") if self.state is LetterState.OPEN else keys.letters("all")

    def bounds(self) -> tuple[str, str]:
        """The sort keys between which the letters lie."""
        first, last = self.since or 0, 10**13 - 1 if self.until is None else self.until
        return f"{max(first, 0):013d}", f"{min(max(last, 0), 10**13 - 1):013d}~"


class DeadLetters:
    """Reads dead letters, and makes the changes that write them."""

    def __init__(self, store: Store, retention_days: int) -> None:
        self._store = store
        self._retention_days = retention_days

    def get(self, dead_letter_id: str) -> DeadLetter | None:
        item = self._store.get(keys.dead_letter(dead_letter_id))
        return None if item is None else decode(DeadLetter, item)

    def with_body(self, dead_letter_id: str) -> tuple[DeadLetter, str] | None:
        """The letter and its message, in one request."""
        wanted = keys.dead_letter(dead_letter_id), keys.dead_letter_body(dead_letter_id)
        found = self._store.get_many(wanted)
        if wanted[0] not in found:
            return None
        body = found.get(wanted[1], {}).get("body")
        return decode(DeadLetter, found[wanted[0]]), str(body or "")

    def added(self, letter: DeadLetter, body: str) -> list[Change]:
        """The letter, if it is not there yet: the first change."""
        ttl = keys.expiry(letter.recorded_at, self._retention_days)
        pointer: Item = {"deadLetterId": letter.dead_letter_id, **ttl}
        return [
            Put(keys.dead_letter(letter.dead_letter_id), encode(letter) | ttl, rev=0),
            Put(keys.dead_letter_body(letter.dead_letter_id), {"body": body, **ttl}, rev=None),
            *(Put(key, pointer, rev=None) for key in _entries(letter)),
        ]

    def settled(self, letter: DeadLetter) -> list[Change]:
        """The letter as people have settled it, if nobody did before: the first change."""
        fields = encode(letter)
        names = ("state", "replayedAs", "settledAt", "settledBy", "settledBecause")
        return [
            Update(
                keys.dead_letter(letter.dead_letter_id),
                {name: fields.get(name) for name in names},
                expect={"state": LetterState.OPEN},
            ),
            Delete(_entry(letter, keys.letters("open"))),
        ]

    def of_session(self, session_id: str, limit: int) -> list[DeadLetter]:
        """The session's letters, the oldest first, up to a number of them."""
        page = self._store.query(Table.WORK, keys.letters("session", session_id), limit=limit)
        return self._read([key for key, _ in page.items])

    def found(self, wanted: LetterFilter, *, limit: int, cursor: str | None) -> Listing[DeadLetter]:
        """A page of the letters meant, the newest first; fewer than there are, with a cursor, where
        too many had to be passed over. Raises InvalidCursor.
        """
        list_name = wanted.list_name()
        mark = f"letters/{astuple(wanted)}"
        _, after = read_cursor(cursor, mark)
        letters: list[DeadLetter] = []
        for _ in range(MAX_READ // PAGE):
            page = self._store.query(
                Table.WORK,
                list_name,
                limit=PAGE,
                after=after,
                newest_first=True,
                between=wanted.bounds(),
            )
            for letter in self._read([key for key, _ in page.items]):
                if len(letters) == limit:
                    return Listing(letters, write_cursor((0, after), mark))
                key = _entry(letter, list_name)
                after = {"pk": key.pk, "sk": key.sk}
                if wanted.takes(letter):
                    letters.append(letter)
            after = page.after
            if after is None:
                return Listing(letters, None)
        return Listing(letters, write_cursor((0, after), mark))

    def _read(self, entries: Sequence[Key]) -> list[DeadLetter]:
        wanted = [keys.dead_letter(key.sk.split("#", 1)[1]) for key in entries]
        found = self._store.get_many(wanted)
        return [decode(DeadLetter, found[key]) for key in wanted if key in found]


def _entries(letter: DeadLetter) -> Iterator[Key]:
    lists = {
        "workflow": letter.workflow_id,
        "capability": letter.agent_capability,
        "error": letter.error,
        "session": letter.session_id,
    }
    for name in ("all", "open"):
        yield _entry(letter, keys.letters(name))
    for facet, value in lists.items():
        if value is not None:
            yield _entry(letter, keys.letters(facet, value))


def _entry(letter: DeadLetter, list_name: str) -> Key:
    return Key(Table.WORK, list_name, f"{letter.recorded_at:013d}#{letter.dead_letter_id}")
