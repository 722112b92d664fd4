"""The waiting list: tasks for which nobody is free, and who takes them."""

from __future__ import annotations

import random
from collections.abc import Iterable

from opscore.lifecycle.limits import subjects
from opscore.lifecycle.sessions import FINAL
from opscore.lifecycle.turns import STEP_MS
from opscore.models.messages import Phase
from opscore.models.policy import Policy
from opscore.models.session import SessionStatus
from opscore.models.task import Attempt, AttemptStatus, Task, Turn
from opscore.observability import note
from opscore.ports import Clock, ConditionFailed, Store
from opscore.records.tasks import Tasks, Work
from opscore.records.waiting import (
    CONSIDERED,
    Waiting,
    WaitingEntry,
    session_list,
    waiting_key,
)


class Parking:
    """Puts attempts into waiting lists and finds whose turn it is."""

    def __init__(self, store: Store, tasks: Tasks, waiting: Waiting, clock: Clock) -> None:
        self._store = store
        self._tasks = tasks
        self._waiting = waiting
        self._clock = clock

    def park(self, attempt: Attempt, task: Task | None) -> tuple[Attempt, Task]:
        """Let the attempt wait for an agent. The caller must look once more who is idle.

        Raises ConditionFailed; index 0 is the attempt.
        """
        return self._park(attempt, task, self._waiting.list_of(attempt), _waits_until(attempt))

    def behind(self, attempt: Attempt, task: Task | None, policy: Policy) -> Attempt:
        """Let the attempt wait for a policy to let it through: for as long as it may wait at all,
        or for the end of a pause. The caller must look once more. Raises ConditionFailed.
        """
        list_name = self._waiting.policy_list(policy.subject, attempt.attempt_id)
        deadline = None if policy.paused else _waits_until(attempt)
        return self._park(attempt, task, list_name, deadline)[0]

    def hold(self, attempt: Attempt, task: Task | None) -> None:
        """Let the attempt wait for its session to be resumed. Raises ConditionFailed."""
        self._park(attempt, task, session_list(attempt.session_id), None)

    def _park(
        self, attempt: Attempt, task: Task | None, list_name: str, deadline: int | None
    ) -> tuple[Attempt, Task]:
        now = self._clock()
        turn = self._waiting.turn_of(attempt, list_name)
        parked = attempt.replace(
            status=AttemptStatus.PARKED,
            waiting_list=list_name,
            waiting_key=waiting_key(attempt, turn),
            turn=Turn(list_name=list_name, at=turn),
            wait_deadline=deadline,
            due_at=deadline,
        )
        record, task_changes = self._tasks.recorded(attempt, task)
        self._store.write(
            self._tasks.put(parked),
            *task_changes,
            *self._waiting.taken(attempt),
            *self._waiting.parked(parked),
            self._waiting.raised(parked, now),
        )
        note("task parked", waiting_list=list_name)
        return parked.replace(rev=attempt.rev + 1), record

    def prolong(self, attempt: Attempt, until: int) -> None:
        """Let a parked attempt wait for longer, where it is. Raises ConditionFailed."""
        longer = attempt.replace(wait_deadline=until, due_at=until)
        self._store.write(self._tasks.put(longer))

    def unhold(self, attempt: Attempt, *, called: bool = False) -> None:
        """Take an attempt back that was held; after a pause its wait for an agent begins anew.
        `called`: its turn has come in a policy's list. Raises ConditionFailed.
        """
        now = self._clock()
        paused = attempt.wait_deadline is None
        back = attempt.replace(
            status=AttemptStatus.RECEIVED,
            waiting_list=None,
            waiting_key=None,
            wait_deadline=None,
            called=called or attempt.called,
            held_ms=max(now - attempt.created_at, 0) if paused else attempt.held_ms,
            due_at=now,
        )
        self._store.write(self._tasks.put(back), *self._waiting.taken(attempt))

    def turn(self, lists: Iterable[str]) -> list[WaitingEntry]:
        """Entries of the lists in the order in which they should be handed out. The flag of a
        list that is empty is lowered.
        """
        entries: list[WaitingEntry] = []
        for list_name in lists:
            entries += self.entries(list_name)
        return fair_order(entries)

    def entries(self, list_name: str) -> list[WaitingEntry]:
        """The first entries of a list; its flag is lowered if there is none."""
        # The flag before the list: one raised after this look stays up.
        flag = self._waiting.flag(list_name)
        entries = self._waiting.first(list_name, CONSIDERED)
        if not entries and flag is not None:
            try:
                self._store.write(self._waiting.lowered(flag))
            except ConditionFailed:
                return self._waiting.first(list_name, CONSIDERED)
        return entries

    def open_work(self, entry: WaitingEntry) -> Work | None:
        """The attempt behind an entry with its task and session, if it still waits there; an entry
        that means nothing any more is dropped.
        """
        under = subjects(entry.workflow_id, entry.capability)
        work = self._tasks.work(entry.attempt_id, entry.session_id, entry.task_key, under)
        attempt = work.attempt
        if (
            attempt is None
            or attempt.status is not AttemptStatus.PARKED
            or attempt.waiting_key != entry.sort
            or attempt.waiting_list != entry.list_name
        ):
            self._store.write(*self._waiting.dropped(entry))
            return None
        return work


def may_run(attempt: Attempt, work: Work) -> bool:
    """Whether the attempt's session lets it be handed out at all: once the session ends badly, only
    what tidies up after it is.
    """
    session = work.session
    if session is None or session.status in FINAL:
        return False
    return (attempt.message.phase is Phase.AFTER) == (session.ending is not None)


def _waits_until(attempt: Attempt) -> int:
    wait_ms = round(attempt.task_message.wait_timeout * 1000) + attempt.held_ms
    return attempt.created_at + wait_ms


def is_paused(work: Work) -> bool:
    """Whether the work's session holds its tasks for now."""
    return work.session is not None and work.session.status is SessionStatus.PAUSED


def fair_order(entries: list[WaitingEntry]) -> list[WaitingEntry]:
    """By their turns; among entries within one step of each other, workflows take turns.

    Which workflow begins is left to chance, so that over many wake-ups none is ahead.
    """
    left = sorted(entries, key=lambda entry: entry.sort)
    ordered: list[WaitingEntry] = []
    while left:
        bound = int(left[0].sort.split("#", 1)[0]) + STEP_MS
        heads: dict[str, WaitingEntry] = {}
        for entry in left:
            if int(entry.sort.split("#", 1)[0]) < bound:
                heads.setdefault(entry.workflow_id, entry)
        turn = list(heads.values())
        random.shuffle(turn)
        ordered += turn
        taken = {entry.attempt_id for entry in turn}
        left = [entry for entry in left if entry.attempt_id not in taken]
    return ordered
