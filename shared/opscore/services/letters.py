"""What people do with dead letters, short of running their tasks again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from opscore.errors import DeadLetterNotFound, LetterSettled
from opscore.lifecycle.letters import (
    MAX_DIFFERENCES,
    Difference,
    LetterGroup,
    differences,
    grouped,
)
from opscore.models.dead_letter import DeadLetter, LetterState
from opscore.observability import note
from opscore.ports import Clock, ConditionFailed, Store
from opscore.records.dead_letters import MAX_READ, DeadLetters, LetterFilter
from opscore.records.paging import Listing


@dataclass(frozen=True)
class Comparison:
    """Two letters and where their inputs differ; `complete` unless there were too many places."""

    left: DeadLetter
    right: DeadLetter
    differences: Sequence[Difference]
    complete: bool


class LetterService:
    """Finds, groups, compares and discards dead letters."""

    def __init__(self, store: Store, letters: DeadLetters, clock: Clock) -> None:
        self._store = store
        self._letters = letters
        self._clock = clock

    def get(self, dead_letter_id: str) -> tuple[DeadLetter, str]:
        """A letter and its message. Raises DeadLetterNotFound."""
        found = self._letters.with_body(dead_letter_id)
        if found is None:
            raise DeadLetterNotFound(dead_letter_id)
        return found

    def found(self, wanted: LetterFilter, *, limit: int, cursor: str | None) -> Listing[DeadLetter]:
        """A page of letters, the newest first. Raises InvalidCursor."""
        return self._letters.found(wanted, limit=limit, cursor=cursor)

    def groups(self, wanted: LetterFilter, *, cursor: str | None) -> Listing[LetterGroup]:
        """Alike ones together, among as many letters as one request reads. Raises InvalidCursor."""
        page = self._letters.found(wanted, limit=MAX_READ, cursor=cursor)
        return Listing(grouped(page.items), page.next_cursor)

    def compare(self, left_id: str, right_id: str) -> Comparison:
        """Where the inputs of two letters' tasks differ. Raises DeadLetterNotFound."""
        (left, one), (right, other) = self.get(left_id), self.get(right_id)
        found = list(islice(differences(_input(one), _input(other)), MAX_DIFFERENCES + 1))
        complete = len(found) <= MAX_DIFFERENCES
        return Comparison(left, right, found[:MAX_DIFFERENCES], complete)

    def discard(self, dead_letter_id: str, reason: str, by: str | None) -> DeadLetter:
        """Settle a letter for good, on record; for the same reason again is no change.

        Raises DeadLetterNotFound, LetterSettled.
        """
        letter, _ = self.get(dead_letter_id)
        discarded = letter.replace(
            state=LetterState.DISCARDED,
            settled_at=self._clock(),
            settled_by=by,
            settled_because=reason,
        )
        try:
            self._store.write(*self._letters.settled(discarded))
        except ConditionFailed:
            letter, _ = self.get(dead_letter_id)
            if letter.state is LetterState.DISCARDED and letter.settled_because == reason:
                return letter
            raise LetterSettled(f"the dead letter is {letter.state} already") from None
        note("dead letter discarded", dead_letter_id=dead_letter_id, by=by)
        return discarded


def _input(body: str) -> Any:
    """What the message's task was to be given; of a message that is no task's, all of it."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return value["parameters"] if isinstance(value, dict) and "parameters" in value else value
