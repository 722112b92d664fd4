"""How sessions end: what Step Functions says of their executions, and the tidying after that."""

from __future__ import annotations

import json

from pydantic import JsonValue

from opscore.errors import Contended, DependencyFailed
from opscore.lifecycle.cleanup import SUFFIX
from opscore.lifecycle.sessions import FINAL, ended, ending, of_execution
from opscore.models.messages import Phase
from opscore.models.outcome import own_name
from opscore.models.session import CleanupStatus, Failure, Session, SessionStatus
from opscore.observability import note, warn
from opscore.ports import Clock, ConditionFailed, Execution, Machines, Refused, Store
from opscore.records.sessions import Sessions
from opscore.services import TRIES
from opscore.services.children import Children
from opscore.services.cleanup import Cleanup

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
        children: Children,
        machines: Machines,
        cleanup: Cleanup,
        clock: Clock,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._children = children
        self._machines = machines
        self._cleanup = cleanup
        self._clock = clock

    def event(self, name: str, execution: Execution) -> None:
        """Bring a session up to date with one of its executions, by that one's name. What the event
        lacks is fetched.

        Raises Contended, DependencyFailed.
        """
        session_id = name.removesuffix(SUFFIX)
        for _ in range(TRIES):
            session = self._sessions.get(session_id)
            if session is None:
                warn("event of an unknown session")
                return
            if name != session_id:
                self._cleanup_event(session, execution)
                return
            if session.status in FINAL or session.ending is not None:
                if execution.status == "RUNNING":
                    self._stop(session)  # cancelled before its execution had begun
                self.go_on(session)
                return
            known = self._complete(session, execution)
            after = self._after(session, known)
            if after is None:
                return
            try:
                self._store.write(self._sessions.put(after))
            except ConditionFailed:
                continue
            self._follow(after.replace(rev=session.rev + 1))
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
        error = None if status is SessionStatus.COMPLETED else _failure(execution)
        if error is not None and session.cleanup_arn is not None:
            return ending(session, status, error, now).replace(due_at=now + MISSING_RECHECK_MS)
        return session.replace(
            status=status,
            last_updated_time=now,
            end_time=now,
            result=_output(execution) if status is SessionStatus.COMPLETED else None,
            error=error,
            due_at=now + MISSING_RECHECK_MS,
        )

    def _follow(self, session: Session) -> None:
        """What a written end calls for."""
        if session.status in FINAL:
            note("session ended", status=session.status)
            self.finish(session)
        elif session.ending is not None:
            note("session ends", status=session.ending.status)
            self._clean_up(session)

    def _cleanup_event(self, session: Session, execution: Execution) -> None:
        if session.status in FINAL:
            if execution.status == "RUNNING":
                self._cleanup.stop(session)  # stopped before it had begun
            self.finish(session)
        elif session.ending is not None and execution.status != "RUNNING":
            self.go_on(session)

    def fail(self, session_id: str, failure: Failure) -> None:
        """End a session whose execution can never start. Raises Contended."""
        execution = Execution("FAILED", error=failure.code, cause=failure.message)
        self.event(session_id, execution)

    # ---- the tidying up that a workflow asks for

    def go_on(self, session: Session) -> None:
        """Bring a session whose first execution has ended, or must, to its end.

        Raises Contended, DependencyFailed.
        """
        if session.status in FINAL:
            self.finish(session)
            return
        execution = self._cleanup.execution(session)
        if execution is None:
            self._clean_up(session)
        elif execution.status == "RUNNING":
            self._later(session, RUNNING_RECHECK_MS)
        else:
            self._cleaned_up(session, execution)

    def _clean_up(self, session: Session) -> None:
        assert session.ending is not None
        cancelled = session.ending.status is SessionStatus.CANCELLED
        if cancelled and not self._stop(session) and self._is_new(session.start_time):
            return  # it may be about to start: the sweeper looks once more
        try:
            self._cleanup.begin(session)
        except Refused as refusal:
            warn("cleanup refused", reason=str(refusal)[:MAX_MESSAGE])
            execution = Execution("FAILED", error="StartRefused", cause=str(refusal))
            self._cleaned_up(session, execution)

    def _cleaned_up(self, session: Session, execution: Execution) -> None:
        """The second execution has ended, however: the session ends by what began it."""
        succeeded = execution.status == "SUCCEEDED"
        status = CleanupStatus.COMPLETED if succeeded else CleanupStatus.FAILED
        error = None if succeeded else _failure(execution)
        for _ in range(TRIES):
            if session.status in FINAL:
                self.finish(session)
                return
            after = ended(session, status, error, self._clock())
            after = after.replace(due_at=self._clock() + MISSING_RECHECK_MS)
            try:
                self._store.write(self._sessions.put(after))
            except ConditionFailed:
                session = self._sessions.get(session.session_id) or session
                continue
            self._follow(after.replace(rev=session.rev + 1))
            return
        raise Contended("the session keeps changing; try again")

    def _later(self, session: Session, milliseconds: int) -> None:
        later = session.replace(due_at=self._clock() + milliseconds)
        try:
            self._store.write(self._sessions.put(later))
        except ConditionFailed:
            warn("session changed meanwhile; it is still due")

    # ---- after the end

    def finish(self, session: Session) -> None:
        """Tidy up after a session that is final: its executions stop, what it left waiting or
        running is closed, its parent is told. Safe to repeat. Raises Contended, DependencyFailed.
        """
        if session.cleaned:
            return
        if self._may_yet_start(session):
            return  # the sweeper looks once more
        self._cleanup.close(session.session_id, Phase.MAIN, Phase.AFTER)
        self._children.answer_parent(session)
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

    def _may_yet_start(self, session: Session) -> bool:
        """Stop what of a cancelled session's executions still runs. Whether there was none, and one
        may be about to start.
        """
        waits = False
        if session.status is SessionStatus.CANCELLED and not self._stop(session):
            waits = self._is_new(session.start_time)
        end = session.ending
        if end is not None and end.cleanup is CleanupStatus.STOPPED:
            waits |= not self._cleanup.stop(session) and self._is_new(end.since)
        return waits

    def _is_new(self, since: int) -> bool:
        return self._clock() - since < MISSING_RECHECK_MS

    def _stop(self, session: Session) -> bool:
        """Stop the session's execution; False if there is none."""
        return session.machine_arn is None or self._machines.stop(
            session.machine_arn, session.session_id, "Cancelled", "cancelled by a person"
        )

    # ---- the sweeper's part

    def reconcile(self, session_id: str) -> None:
        """Settle a session whose start or end may have been missed.

        Raises Contended, DependencyFailed.
        """
        session = self._sessions.get(session_id)
        if session is None:
            return
        if session.status in FINAL or session.ending is not None:
            self.go_on(session)
            return
        if session.machine_arn is None:
            return
        execution = self._machines.describe(session.machine_arn, session_id)
        if execution is None:
            self._start_missing(session, session.machine_arn)
        elif execution.status == "RUNNING" and session.status is not SessionStatus.STARTED:
            self._later(session, RUNNING_RECHECK_MS)
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
            self._later(session, MISSING_RECHECK_MS)


def _output(execution: Execution) -> JsonValue:
    value: JsonValue = json.loads(execution.output) if execution.output else None
    return value


def _failure(execution: Execution) -> Failure:
    code = {"TIMED_OUT": "SessionTimeout", "ABORTED": "Aborted"}.get(
        execution.status, own_name(execution.error or "Unknown")
    )
    return Failure(code=code, message=(execution.cause or "")[:MAX_MESSAGE])
