"""Dead letters are replayed: the sessions that they are from run again from their tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opscore.errors import (
    Contended,
    DeadLetterNotFound,
    LetterSettled,
    NotReplayable,
    OpsCoreError,
    SessionNotFound,
)
from opscore.models.dead_letter import DeadLetter, LetterState
from opscore.models.session import Onto, Session
from opscore.observability import note
from opscore.ports import Change, Clock, ConditionFailed, Store
from opscore.records.dead_letters import DeadLetters, LetterFilter
from opscore.records.paging import Listing
from opscore.records.sessions import Sessions
from opscore.services import TRIES
from opscore.services.launching import Launch
from opscore.services.rerun import SAME, Plan, RerunRequest, RerunService

AT_ONCE = 40
"""Letters of one session that are settled in the transaction that begins its rerun; DynamoDB takes
100 items, and each letter is two."""


@dataclass(frozen=True)
class How:
    """Onto whom (the template's own if neither), on which version, and who asks for it."""

    agent_id: str | None = None
    agent_capability: str | None = None
    version: str | int = SAME
    by: str | None = None

    def onto(self, steps: Sequence[str]) -> Onto | None:
        """The same for the steps of some letters."""
        if self.agent_id is None and self.agent_capability is None:
            return None
        return Onto(
            steps=tuple(steps), agent_id=self.agent_id, agent_capability=self.agent_capability
        )


@dataclass(frozen=True)
class Replayed:
    """What became of a letter: the session that its task runs again in, or why there is none.

    `again`: that session was begun before. `plan`: what was begun now, or would be.
    """

    letter: DeadLetter
    session_id: str | None = None
    again: bool = False
    plan: Plan | None = None
    error: OpsCoreError | None = None


class ReplayService:
    """Replays letters. A session is replayed once: with it all its letters are settled, for
    whatever failed in it runs again.
    """

    def __init__(
        self,
        store: Store,
        letters: DeadLetters,
        sessions: Sessions,
        reruns: RerunService,
        launch: Launch,
        clock: Clock,
    ) -> None:
        self._store = store
        self._letters = letters
        self._sessions = sessions
        self._reruns = reruns
        self._launch = launch
        self._clock = clock

    def replay(
        self, letter_id: str, how: How, *, alike: LetterFilter | None = None, dry_run: bool = False
    ) -> Replayed:
        """Run the letter's session again from its task; and from those of the session's other open
        letters that are `alike`. The same again finds the same session.

        Raises DeadLetterNotFound, NotReplayable, LetterSettled, Contended, and what a rerun does.
        """
        for _ in range(TRIES):
            letter = self._letters.get(letter_id)
            if letter is None:
                raise DeadLetterNotFound(letter_id)
            if letter.state is LetterState.DISCARDED:
                raise LetterSettled("the dead letter is discarded already")
            if letter.session_id is None or letter.task_key is None:
                raise NotReplayable("the dead letter is no task's: it can only be discarded")
            old = self._sessions.get(letter.session_id)
            replayed_as = letter.replayed_as or (None if old is None else old.replayed_as)
            try:
                if replayed_as is not None:
                    return self._once_more(letter, replayed_as, how, dry_run=dry_run)
                return self._begin(letter, how, alike, dry_run=dry_run)
            except ConditionFailed:
                continue  # somebody else settled one of the letters, or the session changed
        raise Contended("the session keeps changing; try again")

    def _begin(
        self, letter: DeadLetter, how: How, alike: LetterFilter | None, *, dry_run: bool
    ) -> Replayed:
        session_id = letter.session_id or ""
        known = self._letters.of_session(session_id, 4 * AT_ONCE)
        is_open = [one for one in known if one.state is LetterState.OPEN]
        others = [one for one in is_open if one.dead_letter_id != letter.dead_letter_id]
        meant = [letter, *(one for one in others if alike is not None and alike.takes(one))]
        tasks = dict.fromkeys(one.task_key for one in meant if one.task_key is not None)
        steps = list(dict.fromkeys(one.task_id for one in meant if one.task_id is not None))
        request = RerunRequest(session_id, tuple(tasks), how.onto(steps), how.version)
        plan = self._reruns.plan(request)
        if dry_run:
            return Replayed(letter, plan=plan)
        settle = self._settling([letter, *others[: AT_ONCE - 1]], how)
        session = self._reruns.begin(plan, None, settle)
        note("dead letter replayed", dead_letter_id=letter.dead_letter_id, by=how.by)
        for one in others[AT_ONCE - 1 :]:
            self._settle(one, session.session_id, how)
        return Replayed(letter, session.session_id, plan=plan)

    def _once_more(
        self, letter: DeadLetter, session_id: str, how: How, *, dry_run: bool
    ) -> Replayed:
        """The letter's session was replayed before, for this letter or for another."""
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionNotFound(session_id)
        if not _goes_the_same_way(session, letter, how):
            raise LetterSettled(f"its session runs again already, as {session_id}")
        if not dry_run:
            if letter.state is LetterState.OPEN:
                self._settle(letter, session_id, how)
            self._launch.resume(session)
        return Replayed(letter, session_id, again=True)

    def _settle(self, letter: DeadLetter, session_id: str, how: How) -> None:
        """Settle a letter whose session was begun; should this be cut off, who asks next does."""
        try:
            self._store.write(*self._settling([letter], how)(session_id))
        except ConditionFailed:
            note("dead letter settled by somebody else", dead_letter_id=letter.dead_letter_id)

    def _settling(self, letters: Sequence[DeadLetter], how: How) -> Callable[[str], list[Change]]:
        now = self._clock()

        def settle(session_id: str) -> list[Change]:
            return [
                change
                for letter in letters
                for change in self._letters.settled(
                    letter.replace(
                        state=LetterState.REPLAYED,
                        replayed_as=session_id,
                        settled_at=now,
                        settled_by=how.by,
                    )
                )
            ]

        return settle

    def replay_found(
        self, wanted: LetterFilter, how: How, *, limit: int, cursor: str | None, dry_run: bool
    ) -> Listing[Replayed]:
        """Replay a page of the open letters that are meant, the newest first. One that can't be
        replayed says why, and does not hold up the others. Raises InvalidCursor.
        """
        page = self._letters.found(wanted, limit=limit, cursor=cursor)
        done = [self._replayed(letter, how, wanted, dry_run=dry_run) for letter in page.items]
        return Listing(done, page.next_cursor)

    def _replayed(
        self, letter: DeadLetter, how: How, alike: LetterFilter, *, dry_run: bool
    ) -> Replayed:
        try:
            return self.replay(letter.dead_letter_id, how, alike=alike, dry_run=dry_run)
        except OpsCoreError as error:
            return Replayed(letter, error=error)


def _goes_the_same_way(session: Session, letter: DeadLetter, how: How) -> bool:
    """Whether the letter's step goes there too, if somewhere is asked for."""
    if how.agent_id is None and how.agent_capability is None:
        return True
    onto = None if session.rerun is None else session.rerun.onto
    if onto is None or letter.task_id not in onto.steps:
        return False
    return (onto.agent_id, onto.agent_capability) == (how.agent_id, how.agent_capability)
