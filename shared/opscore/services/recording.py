"""How sessions end: what Step Functions says of their executions, and the tidying after that."""

from __future__ import annotations

import json

from pydantic import JsonValue

from opscore.errors import Contended, DependencyFailed
from opscore.lifecycle.sessions import FINAL, of_execution
from opscore.models.session import Failure, Session, SessionStatus
from opscore.models.task import AttemptStatus
from opscore.observability import note, warn
from opscore.ports import Clock, ConditionFailed, Execution, Machines, Refused, Store
from opscore.records.sessions import Sessions
from opscore.records.tasks import Tasks
from opscore.services import TRIES
from opscore.services.outcomes import Outcomes

RUNNING_RECHECK_MS = 600_000
"""How often an open session's execution is looked at, in case its last event never came."""

MISSING_RECHECK_MS = 60_000
MAX_MESSAGE = 4096


class Recording:
    """Takes execution status events, which are best effort and come in any order."""

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        tasks: Tasks,
        outcomes: Outcomes,
        machines: Machines,
        clock: Clock,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._tasks = tasks
        self._outcomes = outcomes
        self._machines = machines
        self._clock = clock

    def event(self, session_id: str, execution: Execution) -> None:
        """Bring a session up to date with its execution. What the event lacks is fetched.

        Raises Contended, DependencyFailed.
        """
        for _ in range(TRIES):
            session = self._sessions.get(session_id)
            if session is None:
                warn("event of an unknown session")
                return
            if session.status in FINAL:
                if execution.status == "RUNNING":
                    self._stop(session)  # cancelled before its execution had begun
                self.finish(session)
                return
            known = self._complete(session, execution)
            after = self._after(session, known)
            if after is None:
                return
            try:
                self._store.write(self._sessions.put(after))
            except ConditionFailed:
                continue
            if after.status in FINAL:
                note("session ended", status=after.status)
                self.finish(after.replace(rev=session.rev + 1))
            return
        raise Contended("the session keeps changing; try again")

    def _complete(self, session: Session, execution: Execution) -> Execution:
        lacks = (execution.status == "SUCCEEDED" and execution.output is None) or (
            execution.status == "FAILED" and execution.error is None
        )
        if not lacks or session.machine_arn is None:
            return execution
        return self._machines.describe(session.machine_arn, session.session_id) or execution

    def _after(self, session: Session, execution: Execution) -> Session | None:
        now = self._clock()
        status = of_execution(execution.status)
        if status is None:
            return None
        if status is SessionStatus.RUNNING:
            if session.status is not SessionStatus.STARTED:
                return None
            return session.replace(
                status=status, last_updated_time=now, due_at=now + RUNNING_RECHECK_MS
            )
        return session.replace(
            status=status,
            last_updated_time=now,
            end_time=now,
            result=_output(execution) if status is SessionStatus.COMPLETED else None,
            error=None if status is SessionStatus.COMPLETED else _failure(execution),
            due_at=now + MISSING_RECHECK_MS,
        )

    def fail(self, session_id: str, failure: Failure) -> None:
        """End a session whose execution can never start. Raises Contended."""
        execution = Execution("FAILED", error=failure.code, cause=failure.message)
        self.event(session_id, execution)

    def finish(self, session: Session) -> None:
        """Tidy up after a session that is final: its execution stops, what it left waiting or
        running is closed. Safe to repeat. Raises Contended, DependencyFailed.
        """
        if session.cleaned:
            return
        cancelled = session.status is SessionStatus.CANCELLED
        if cancelled and not self._stop(session) and self._is_new(session):
            return  # it may be about to start: the sweeper looks once more
        tasks = self._tasks.of_session(session.session_id)
        for attempt in self._tasks.attempts_of(tasks).values():
            match attempt.status:
                case AttemptStatus.CLOSED | AttemptStatus.COMPLETING:
                    pass  # COMPLETING: whoever decided it, or the sweeper, closes it
                case _:
                    self._outcomes.supersede(attempt)
        for _ in range(TRIES):
            done = session.replace(cleaned=True, due_at=None)
            try:
                self._store.write(self._sessions.put(done))
            except ConditionFailed:
                current = self._sessions.get(session.session_id)
                if current is None or current.cleaned:
                    return
                session = current
                continue
            return
        raise Contended("the session keeps changing; try again")

    def _is_new(self, session: Session) -> bool:
        return self._clock() - session.start_time < MISSING_RECHECK_MS

    def _stop(self, session: Session) -> bool:
        """Stop the session's execution; False if there is none."""
        return session.machine_arn is None or self._machines.stop(
            session.machine_arn, session.session_id, "Cancelled", "cancelled by a person"
        )

    def reconcile(self, session_id: str) -> None:
        """Settle a session whose start or end may have been missed.

        Raises Contended, DependencyFailed.
        """
        session = self._sessions.get(session_id)
        if session is None or session.machine_arn is None:
            return
        if session.status in FINAL:
            self.finish(session)
            return
        execution = self._machines.describe(session.machine_arn, session_id)
        if execution is None:
            self._start_missing(session, session.machine_arn)
        elif execution.status == "RUNNING" and session.status is not SessionStatus.STARTED:
            later = session.replace(due_at=self._clock() + RUNNING_RECHECK_MS)
            self._store.write(self._sessions.put(later))
        else:
            self.event(session_id, execution)

    def _start_missing(self, session: Session, machine_arn: str) -> None:
        try:
            self._machines.start(machine_arn, session.session_id, session.execution_input)
        except Refused as refusal:
            message = str(refusal)[:MAX_MESSAGE]
            self.fail(session.session_id, Failure(code="StartRefused", message=message))
        except DependencyFailed:
            warn("execution not started yet")
        else:
            later = session.replace(due_at=self._clock() + MISSING_RECHECK_MS)
            self._store.write(self._sessions.put(later))


def _output(execution: Execution) -> JsonValue:
    value: JsonValue = json.loads(execution.output) if execution.output else None
    return value


def _failure(execution: Execution) -> Failure:
    code = {"TIMED_OUT": "SessionTimeout", "ABORTED": "Aborted"}.get(
        execution.status, execution.error or "Unknown"
    )
    return Failure(code=code, message=(execution.cause or "")[:MAX_MESSAGE])
