"""How a session begins, whatever asked for it: on record first, then its execution."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

from pydantic import JsonValue

from opscore.errors import DependencyFailed, IdempotencyKeyReused, SessionNotFound
from opscore.models.session import Failure, IdempotencyRecord, Parent, Session, SessionStatus
from opscore.observability import bind, note, warn
from opscore.ports import Change, Clock, ConditionFailed, Machines, Refused, Store
from opscore.records.codec import decode, text
from opscore.records.sessions import Sessions
from opscore.services.recording import Recording

START_RECHECK_MS = 60_000
"""When the sweeper looks whether a new session's execution was really started."""

KEY_SECONDS = 24 * 3600
"""How long an Idempotency-Key is remembered."""


@dataclass(frozen=True)
class OnceOnly:
    """An Idempotency-Key, and the digest of the request that it came with."""

    key: str
    digest: str

    def key_digest(self) -> str:
        """What the key is remembered by."""
        return hashlib.sha256(self.key.encode()).hexdigest()


class Launch:
    """Writes new sessions and starts their executions.

    From the moment a session is on record it will run: should starting its execution fail, the
    sweeper starts it.
    """

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        machines: Machines,
        recording: Recording,
        clock: Clock,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._machines = machines
        self._recording = recording
        self._clock = clock

    def new(
        self,
        workflow_id: str,
        version: int,
        machine_arn: str | None,
        payload: JsonValue,
        agent_id: str | None,
        *,
        session_id: str | None = None,
        parent: Parent | None = None,
        depth: int = 0,
    ) -> Session:
        """A session as it will be written; without a machine there is nothing to run."""
        now = self._clock()
        session_id = session_id or str(uuid.uuid4())
        nothing_to_run = machine_arn is None
        execution_input = {
            "input": payload,
            "session": {
                "id": session_id,
                "agentId": agent_id,
                "workflowId": workflow_id,
                "workflowVersion": version,
            },
        }
        # A parent has to be told of the end before the session is done with.
        done = nothing_to_run and parent is None
        return Session(
            session_id=session_id,
            workflow_id=workflow_id,
            workflow_version=version,
            machine_arn=machine_arn,
            agent_id=agent_id,
            parent=parent,
            depth=depth,
            status=SessionStatus.COMPLETED if nothing_to_run else SessionStatus.STARTED,
            start_time=now,
            last_updated_time=now,
            end_time=now if nothing_to_run else None,
            execution_input=text(execution_input),
            cleaned=done,
            due_at=None if done else now + START_RECHECK_MS,
        )

    def begin(self, session: Session, once: OnceOnly | None, *changes: Change) -> Session:
        """Write a new session with the other changes, all or none, and start it. A repeat of the
        same request with the same key is the session that the first one began.

        Raises ConditionFailed (the indexes are those of `changes`), IdempotencyKeyReused,
        DependencyFailed (a definite refusal).
        """
        remembered = [] if once is None else [self._remembered(once, session)]
        try:
            self._store.write(*changes, self._sessions.put(session), *remembered)
        except ConditionFailed as refusal:
            record = refusal.found.get(len(changes) + 1)
            if once is None or record is None:
                raise
            return self._again(once, decode(IdempotencyRecord, record))
        bind(session_id=session.session_id)
        note("session created", workflow_id=session.workflow_id)
        self._execute(session.replace(rev=1))
        return session

    def known(self, once: OnceOnly) -> Session | None:
        """The session that the same request began before, if it did.

        Raises IdempotencyKeyReused.
        """
        record = self._sessions.remembered(once.key_digest())
        return None if record is None else self._again(once, record)

    def _remembered(self, once: OnceOnly, session: Session) -> Change:
        record = IdempotencyRecord(
            session_id=session.session_id,
            request_hash=once.digest,
            expires_at=self._clock() // 1000 + KEY_SECONDS,
        )
        return self._sessions.idempotency(once.key_digest(), record)

    def _again(self, once: OnceOnly, record: IdempotencyRecord) -> Session:
        if record.request_hash != once.digest:
            raise IdempotencyKeyReused(
                "this Idempotency-Key came with another request before; use a new one"
            )
        session = self._sessions.get(record.session_id)
        if session is None:
            raise SessionNotFound(record.session_id)
        self.resume(session)
        return session

    def resume(self, session: Session) -> None:
        """Start a session's execution if that has not been done yet."""
        bind(session_id=session.session_id)
        if session.status is SessionStatus.STARTED:
            self._execute(session)

    def _execute(self, session: Session) -> None:
        if session.machine_arn is None:
            return
        try:
            self._machines.start(session.machine_arn, session.session_id, session.execution_input)
        except Refused as refusal:
            self._recording.fail(
                session.session_id, Failure(code="StartRefused", message=str(refusal))
            )
            raise DependencyFailed(f"the session could not be started: {refusal}") from refusal
        except DependencyFailed:
            warn("execution not started yet; the sweeper will")
