"""A step that is a session of another workflow: that is on record with the attempt that waits for
it, by one write, and starts from there.
"""

from __future__ import annotations

import uuid

from opscore.errors import DependencyFailed, InputInvalid, WorkflowNotFound
from opscore.lifecycle.sessions import FINAL
from opscore.models.messages import ATTEMPT_PREFIX, WorkflowMessage
from opscore.models.outcome import Outcome, TaskError
from opscore.models.session import Parent, Session
from opscore.models.task import Attempt
from opscore.models.workflow import WorkflowVersion
from opscore.observability import warn
from opscore.ports import Change, Check
from opscore.records import keys
from opscore.records.sessions import Sessions
from opscore.records.workflows import Workflows
from opscore.services.judging import TOLD, check_input
from opscore.services.launching import Launch
from opscore.services.recording import Recording
from opscore.services.workflows import WorkflowService

MAX_DEPTH = 10
"""Sessions nested in one another. Deeper is rather a workflow that starts itself without end."""


class NoChild(Exception):
    """The child session can't be started, ever; the outcome says why."""

    def __init__(self, code: TaskError, message: str) -> None:
        super().__init__(message)
        self.outcome = Outcome.failure(code, message)


class ChildStart:
    """Makes child sessions and starts their executions."""

    def __init__(
        self,
        sessions: Sessions,
        workflows: WorkflowService,
        versions: Workflows,
        launch: Launch,
        recording: Recording,
    ) -> None:
        self._sessions = sessions
        self._workflows = workflows
        self._versions = versions
        self._launch = launch
        self._recording = recording

    def born(self, waiting: Attempt, parent: Session) -> tuple[Attempt, list[Change]]:
        """The attempt with its child, and the changes that make the child while the parent goes on.
        The child's id is the attempt's: the same message twice is one child. Raises NoChild.
        """
        message = waiting.message
        assert isinstance(message, WorkflowMessage)
        if parent.depth >= MAX_DEPTH:
            raise NoChild(TaskError.DEPTH_LIMIT, f"{MAX_DEPTH} sessions are nested already")
        if not isinstance(message.input, dict):
            raise NoChild(TaskError.INVALID_INPUT, "input: not an object")
        try:
            version = self._version(message)
            check_input(version, message.input)
        except WorkflowNotFound as error:
            raise NoChild(TaskError.WORKFLOW_NOT_FOUND, str(error)) from error
        except InputInvalid as error:
            raise NoChild(TaskError.INVALID_INPUT, _told(error)) from error
        child = self._launch.new(
            version.workflow_id,
            version.version,
            version.machine_arn,
            message.input,
            message.session_agent_id,
            session_id=child_id(waiting.attempt_id),
            parent=Parent(
                session_id=parent.session_id,
                task_key=message.task_key,
                attempt_id=waiting.attempt_id,
            ),
            depth=parent.depth + 1,
        ).replace(cleanup_arn=version.cleanup_arn, compensated=version.compensated)
        changes: list[Change] = [
            self._sessions.put(child),
            Check(keys.session(parent.session_id), expect={"rev": parent.rev}),
        ]
        if message.child_version is None:
            changes.append(self._versions.is_current(version))
        return waiting.replace(child_session_id=child.session_id), changes

    def _version(self, message: WorkflowMessage) -> WorkflowVersion:
        if message.child_version is None:
            return self._workflows.current(message.child_workflow_id)
        return self._workflows.runnable(message.child_workflow_id, message.child_version)

    def launch(self, attempt: Attempt) -> None:
        """Start the execution of the attempt's child; safe to repeat. Raises Contended."""
        child = self._sessions.get(attempt.child_session_id or "")
        if child is None:
            return
        if child.status in FINAL:
            self._recording.finish(child)
            return
        try:
            self._launch.resume(child)
        except DependencyFailed as error:
            # Refused: that is the child's end, of which its parent hears.
            warn("child session not started", child_session_id=child.session_id, reason=str(error))


def _told(error: InputInvalid) -> str:
    """The first of the faults, each with its place in the input."""
    found = [fault for fault in error.detail if isinstance(fault, dict)]
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'][2:])) or 'input'}: {fault['msg']}"
        for fault in found[:TOLD]
    )


def child_id(attempt_id: str) -> str:
    """The session that an attempt starts: the same hash, as session ids are written."""
    return str(uuid.UUID(hex=attempt_id.removeprefix(ATTEMPT_PREFIX)))
