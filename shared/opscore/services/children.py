"""Sessions that a step of another session waits for: neither ends without the other hearing of it.

A child is cancelled in the same write that ends its parent's attempt otherwise; so an attempt that
no longer waits has no child that goes on.
"""

from __future__ import annotations

from opscore.errors import Contended
from opscore.lifecycle.attempts import superseded
from opscore.lifecycle.sessions import FINAL, cancelled
from opscore.models.messages import SettleMessage
from opscore.models.outcome import Outcome, TaskError
from opscore.models.session import Session, SessionStatus
from opscore.models.task import Attempt, AttemptStatus
from opscore.ports import Change, Clock, ConditionFailed, Queue, Store
from opscore.records.sessions import Sessions
from opscore.records.tasks import Tasks
from opscore.records.waiting import Waiting
from opscore.services import TRIES
from opscore.services.outcomes import Outcomes

RECHECK_MS = 60_000
"""When the sweeper looks whether a cancelled child was tidied up after."""

_OPEN = (AttemptStatus.RECEIVED, AttemptStatus.PARKED, AttemptStatus.WAITING)


class Children:
    """Tells parents of their children's ends, and children of their parents'."""

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        tasks: Tasks,
        waiting: Waiting,
        outcomes: Outcomes,
        queue: Queue,
        clock: Clock,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._tasks = tasks
        self._waiting = waiting
        self._outcomes = outcomes
        self._queue = queue
        self._clock = clock

    def answer_parent(self, child: Session) -> None:
        """Give the step that waits for a session the session's end; safe to repeat.

        Raises Contended, DependencyFailed.
        """
        if child.parent is None:
            return
        for _ in range(TRIES):
            attempt = self._tasks.attempt(child.parent.attempt_id)
            if attempt is None or attempt.status is not AttemptStatus.WAITING:
                return
            if self._outcomes.end(attempt, _outcome_of(child)):
                return
        raise Contended("the parent's task keeps changing; try again")

    def end(self, attempt: Attempt, outcome: Outcome) -> bool:
        """Like `Outcomes.end`; with the attempt its child ends. The outcome of one that has ended
        just now is the attempt's.
        """
        child = self._child(attempt)
        if child is not None and child.status in FINAL:
            outcome = _outcome_of(child)
        if not self._outcomes.end(attempt, outcome, self._cancelled(child)):
            return False
        self._settle(child)
        return True

    def supersede(self, attempt: Attempt) -> None:
        """Close an attempt that waits and whose token is dead; with it its child ends.

        Raises Contended.
        """
        for _ in range(TRIES):
            if attempt.status not in _OPEN:
                return
            child = self._child(attempt)
            closed = superseded(attempt, self._clock())
            try:
                self._store.write(
                    self._tasks.put(closed), *self._waiting.taken(attempt), *self._cancelled(child)
                )
            except ConditionFailed:
                found = self._tasks.attempt(attempt.attempt_id)
                if found is None:
                    return
                attempt = found
                continue
            self._settle(child)
            return
        raise Contended(f"attempt {attempt.attempt_id} keeps changing; try again")

    def _child(self, attempt: Attempt) -> Session | None:
        """The session that the attempt waits for."""
        child_id = attempt.child_session_id
        return None if child_id is None else self._sessions.get(child_id)

    def _cancelled(self, child: Session | None) -> list[Change]:
        """The child cancelled, if it goes on; it tidies up first, if its workflow says how."""
        if child is None or child.status in FINAL:
            return []
        now = self._clock()
        after = cancelled(child, now, cleanup=True).replace(due_at=now + RECHECK_MS)
        return [self._sessions.put(after)]

    def _settle(self, child: Session | None) -> None:
        """Have the cancelled child tidied up after; the sweeper does, should this fail."""
        if child is not None and child.status not in FINAL:
            self._queue.send(SettleMessage(session_id=child.session_id))


def _outcome_of(child: Session) -> Outcome:
    if child.status is SessionStatus.COMPLETED:
        return Outcome.success(child.result)
    if child.status is SessionStatus.CANCELLED:
        message = f"child session {child.session_id} was cancelled"
        return Outcome.failure(TaskError.CHILD_CANCELLED, message)
    if child.error is None:
        return Outcome.failure("Unknown", f"child session {child.session_id} failed")
    return Outcome.failure(child.error.code, child.error.message)
