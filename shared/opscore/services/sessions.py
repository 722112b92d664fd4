"""Sessions start, are looked at, and are moved by people."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from opscore.errors import (
    AgentNotFound,
    Contended,
    InputInvalid,
    PayloadTooLarge,
    SessionNotFound,
    WorkflowNotFound,
)
from opscore.lifecycle.sessions import cancelled, check_move
from opscore.models.limits import MAX_PAYLOAD_BYTES
from opscore.models.messages import ResumeMessage
from opscore.models.session import Session, SessionStatus
from opscore.models.task import Attempt, Task
from opscore.models.workflow import WorkflowVersion
from opscore.observability import bind
from opscore.ports import Change, Check, Clock, ConditionFailed, Queue, Store
from opscore.records import keys
from opscore.records.codec import text
from opscore.records.paging import Listing
from opscore.records.sessions import Sessions
from opscore.records.tasks import Tasks
from opscore.records.workflows import Workflows
from opscore.services import TRIES
from opscore.services.judging import check_input
from opscore.services.launching import START_RECHECK_MS, Launch, OnceOnly
from opscore.services.recording import Recording
from opscore.services.workflows import WorkflowService


@dataclass(frozen=True)
class StartRequest:
    """What a session is started with: a workflow by id or a definition, and its input."""

    workflow_id: str | None
    definition: dict[str, Any] | None
    payload: dict[str, JsonValue]
    agent_id: str | None = None
    idempotency_key: str | None = None

    def digest(self) -> str:
        """The same for the same request."""
        parts = [self.workflow_id, self.definition, self.payload, self.agent_id]
        return hashlib.sha256(text(parts).encode()).hexdigest()


@dataclass(frozen=True)
class SessionView:
    """A session with its tasks and their attempts."""

    session: Session
    tasks: list[Task]
    attempts: dict[str, Attempt]


class SessionService:
    """Starts sessions in three requests: the version, one transaction, StartExecution."""

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        tasks: Tasks,
        workflows: WorkflowService,
        versions: Workflows,
        launch: Launch,
        queue: Queue,
        recording: Recording,
        clock: Clock,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._tasks = tasks
        self._workflows = workflows
        self._versions = versions
        self._launch = launch
        self._queue = queue
        self._recording = recording
        self._clock = clock

    def start(self, request: StartRequest) -> Session:
        """Start a session. The same request with the same Idempotency-Key is the same session.

        From the moment it is on record it will run: should starting its execution fail now, the
        sweeper starts it. Raises WorkflowNotFound, WorkflowInvalid, InputInvalid, AgentNotFound,
        IdempotencyKeyReused, DependencyFailed (a definite refusal), Contended.
        """
        once = None
        if request.idempotency_key is not None:
            once = OnceOnly(request.idempotency_key, request.digest())
        for _ in range(TRIES):
            try:
                version = self._version(request)
                check_input(version, request.payload)
            except (WorkflowNotFound, InputInvalid):
                # This very request may have got through, on the version of that time.
                known = None if once is None else self._launch.known(once)
                if known is None:
                    raise
                return known
            session = self._launch.new(
                version.workflow_id,
                version.version,
                version.machine_arn,
                request.payload,
                request.agent_id,
            ).replace(cleanup_arn=version.cleanup_arn, compensated=version.compensated)
            changes: list[Change] = []
            if request.agent_id is not None:
                changes.append(Check(keys.agent(request.agent_id)))
            if version.version > 0:
                changes.append(self._versions.is_current(version))
            try:
                return self._launch.begin(session, once, *changes)
            except ConditionFailed as refusal:
                if request.agent_id is not None and 0 in refusal.failed:
                    raise AgentNotFound(request.agent_id) from None
                continue  # a newer version came in between
        raise Contended("the workflow keeps changing; try again")

    def start_task(
        self, payload: dict[str, JsonValue], max_retries: int, idempotency_key: str | None
    ) -> Session:
        """Start the session of a single task, on the workflow that every deployment ships for it.

        Raises what `start` does.
        """
        from opscore.workflows.shipped import DEFAULT_MAX_RETRIES, SINGLE_TASK_ID, single_task

        usual = max_retries == DEFAULT_MAX_RETRIES
        return self.start(
            StartRequest(
                workflow_id=SINGLE_TASK_ID if usual else None,
                definition=None if usual else single_task(max_retries),
                payload=payload,
                idempotency_key=idempotency_key,
            )
        )

    def _version(self, request: StartRequest) -> WorkflowVersion:
        if request.definition is not None:
            return self._workflows.inline(request.definition)
        return self._workflows.current(request.workflow_id or "")

    def get(self, session_id: str) -> Session:
        """Raises SessionNotFound."""
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionNotFound(session_id)
        return session

    def view(self, session_id: str) -> SessionView:
        """Raises SessionNotFound."""
        session = self.get(session_id)
        tasks = self._tasks.of_session(session_id)
        return SessionView(session, tasks, self._tasks.attempts_of(tasks))

    def listed(
        self, *, status: str | None, workflow_id: str | None, limit: int, cursor: str | None
    ) -> Listing[Session]:
        return self._sessions.listed(
            status=status, workflow_id=workflow_id, limit=limit, cursor=cursor
        )

    def update(
        self,
        session_id: str,
        *,
        metadata: dict[str, JsonValue] | None = None,
        status: SessionStatus | None = None,
        cleanup: bool = True,
    ) -> Session:
        """Merge metadata (null removes a name) and make the status move that a person may make.
        A cancelled session tidies up first, if its workflow says how; without `cleanup` it does
        not, or no further.

        Raises SessionNotFound, SessionFinal, InvalidTransition, PayloadTooLarge, Contended.
        """
        bind(session_id=session_id)
        for _ in range(TRIES):
            before = self.get(session_id)
            after = self._updated(before, metadata, status, cleanup=cleanup)
            if after != before:
                try:
                    self._store.write(self._sessions.put(after))
                except ConditionFailed:
                    continue
                after = after.replace(rev=before.rev + 1)
            self._follow(after, status)
            return after
        raise Contended("the session keeps changing; try again")

    def _updated(
        self,
        session: Session,
        metadata: dict[str, JsonValue] | None,
        status: SessionStatus | None,
        *,
        cleanup: bool,
    ) -> Session:
        changes: dict[str, Any] = {}
        now = self._clock()
        if metadata is not None:
            merged = {**session.metadata, **metadata}
            changes["metadata"] = {k: v for k, v in merged.items() if v is not None}
            size = len(text(changes["metadata"]).encode())
            if size > MAX_PAYLOAD_BYTES:
                raise PayloadTooLarge(
                    f"metadata would have {size} bytes as JSON; at most {MAX_PAYLOAD_BYTES} fit"
                )
        if status is SessionStatus.CANCELLED:
            moved = cancelled(session, now, cleanup=cleanup)
            if moved is not session:
                session = moved.replace(due_at=now + START_RECHECK_MS)
        elif status is not None and status is not session.status:
            check_move(session.status, status)
            changes["status"] = status
            if session.status is SessionStatus.PAUSED:
                changes["resumed_at"] = now
        if not changes:
            return session
        return session.replace(**changes, last_updated_time=now)

    def _follow(self, after: Session, asked: SessionStatus | None) -> None:
        """What a written move calls for; a repeat of the same move does it again."""
        match after.status:
            case SessionStatus.CANCELLED if not after.cleaned:
                self._recording.finish(after)
            case _ if after.ending is not None and asked is SessionStatus.CANCELLED:
                self._recording.go_on(after)
            case SessionStatus.RUNNING if asked is SessionStatus.RUNNING:
                self._queue.send(ResumeMessage(session_id=after.session_id))
