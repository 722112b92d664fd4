"""The tree of everything that Ops-Core itself raises; each leaf has a stable code.

    OpsCoreError
    ├── InvalidRequest            the caller can mend it
    │   ├── Malformed, PayloadTooLarge, UnknownEventType, MissingAgentId, AgentIdMismatch
    │   ├── InvalidCursor, InvalidTransition
    │   ├── InputInvalid          every fault of a session's input
    │   └── WorkflowInvalid       every finding of the template
    ├── Unauthenticated           a signature that is bad, missing or stale
    ├── NotFound                  AgentNotFound, AgentStateNotFound, SessionNotFound, TaskNotFound,
    │                             WorkflowNotFound, DeadLetterNotFound, ApprovalNotFound,
    │                             PolicyNotFound, QuarantineNotFound
    ├── Conflict                  the caller's view is out of date
    │   ├── StaleFence, OutcomeDiffers, IdempotencyKeyReused, SessionFinal, WorkflowShipped
    │   ├── SessionNotFinal, NothingFailed, DefinitionGone
    │   ├── KeptTaskChanged, LetterSettled, NotReplayable
    │   ├── ApprovalClosed, SignalIdReused, TooManySignals
    │   └── Contended             another writer was faster, every time: try again
    ├── DependencyFailed          AWS or AgentKit did not answer well: try again
    └── SettingError              the deployment lacks a setting, or has a bad one

The table from these to HTTP statuses is `opscore.http.responses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class OpsCoreError(Exception):
    """Root of the tree; `detail` is what a caller is shown, `code` what a program matches on."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, detail: str | Sequence[Any]) -> None:
        super().__init__(detail if isinstance(detail, str) else f"{len(detail)} findings")
        self.detail: str | list[Any] = detail if isinstance(detail, str) else list(detail)


class InvalidRequest(OpsCoreError):
    """The request can't be taken as it is; repeating it will not help."""

    code = "invalid_request"


class Malformed(InvalidRequest):
    """The body or a parameter does not fit its schema; `detail` may list each fault."""

    code = "malformed"


class PayloadTooLarge(InvalidRequest):
    """A body or a field is over its limit in bytes."""

    code = "payload_too_large"


class UnknownEventType(InvalidRequest):
    """A webhook event that is neither REGISTER nor DEREGISTER."""

    code = "unknown_event_type"


class MissingAgentId(InvalidRequest):
    """A webhook event whose agentId is empty."""

    code = "missing_agent_id"


class AgentIdMismatch(InvalidRequest):
    """The agent in the path is not the agent in the body."""

    code = "agent_id_mismatch"


class InvalidCursor(InvalidRequest):
    """A list's cursor that this deployment did not hand out for this list."""

    code = "invalid_cursor"


class InvalidTransition(InvalidRequest):
    """A status move that a person may not make from where the session stands."""

    code = "invalid_transition"


class WorkflowInvalid(InvalidRequest):
    """A template that can't be compiled; `detail` has every finding as an object."""

    code = "workflow_invalid"

    def __init__(self, findings: Sequence[Any]) -> None:
        super().__init__([f if isinstance(f, dict) else f.as_dict() for f in findings])
        self.findings = list(findings)


class InputInvalid(InvalidRequest):
    """A session's input does not fit its workflow's `input`; `detail` has every fault."""

    code = "input_invalid"


class Unauthenticated(OpsCoreError):
    """The caller could not show who it is."""

    code = "unauthenticated"


class NotFound(OpsCoreError):
    """What the request names does not exist."""

    code = "not_found"


class AgentNotFound(NotFound):
    """No agent is registered under this id."""

    code = "agent_not_found"

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"Agent not found: {agent_id}")


class AgentStateNotFound(NotFound):
    """No state is known for this agent; the wording is the original's."""

    code = "agent_not_found"

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"No state found for agent {agent_id}")


class SessionNotFound(NotFound):
    """No session has this id."""

    code = "session_not_found"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session not found: {session_id}")


class TaskNotFound(NotFound):
    """No attempt of a task has this id."""

    code = "task_not_found"

    def __init__(self, task_id: str) -> None:
        super().__init__(f"Task not found: {task_id}")


class WorkflowNotFound(NotFound):
    """No workflow has this id; the wording is the original's."""

    code = "workflow_not_found"

    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"Workflow definition not found: {workflow_id}")


class ApprovalNotFound(NotFound):
    """No approval has this id."""

    code = "approval_not_found"

    def __init__(self, task_id: str) -> None:
        super().__init__(f"Approval not found: {task_id}")


class QuarantineNotFound(NotFound):
    """It is in no quarantine."""

    code = "quarantine_not_found"

    def __init__(self, what: str) -> None:
        super().__init__(f"Not in quarantine: {what}")


class DeadLetterNotFound(NotFound):
    """No dead letter has this id."""

    code = "dead_letter_not_found"

    def __init__(self, dead_letter_id: str) -> None:
        super().__init__(f"Dead letter not found: {dead_letter_id}")


class PolicyNotFound(NotFound):
    """Nothing is asked of this capability or workflow."""

    code = "policy_not_found"

    def __init__(self, subject: str) -> None:
        super().__init__(f"No policy for {subject}")


class Conflict(OpsCoreError):
    """The request was right once, or would be elsewhere, but not where things stand."""

    code = "conflict"


class StaleFence(Conflict):
    """The task was handed to someone else since, or has ended: this word comes too late."""

    code = "stale_task"


class OutcomeDiffers(Conflict):
    """The task has another outcome already."""

    code = "outcome_differs"


class IdempotencyKeyReused(Conflict):
    """The same Idempotency-Key came with another request."""

    code = "idempotency_key_reused"


class WorkflowShipped(Conflict):
    """A workflow that every deployment ships can't be deleted."""

    code = "workflow_shipped"


class SessionFinal(Conflict):
    """The session has ended; final states never change."""

    code = "session_final"


class SessionNotFinal(Conflict):
    """The session has not ended yet; it runs again only after that."""

    code = "session_not_final"


class NothingFailed(Conflict):
    """The session completed: where it shall run again from must be said."""

    code = "nothing_failed"


class DefinitionGone(Conflict):
    """What the session ran is not on record any more."""

    code = "definition_gone"


class ApprovalClosed(Conflict):
    """Nobody waits for this approval any more, or it was given another answer."""

    code = "approval_closed"


class SignalIdReused(Conflict):
    """The same signalId came with another signal."""

    code = "signal_id_reused"


class TooManySignals(Conflict):
    """As many signals of this name are kept as may be; a step has to take one first."""

    code = "too_many_signals"


class KeptTaskChanged(Conflict):
    """The wanted version would not have made the results that shall be kept."""

    code = "kept_task_changed"


class NotReplayable(Conflict):
    """The dead letter is no task's: there is nothing to run again."""

    code = "not_replayable"


class LetterSettled(Conflict):
    """The dead letter was replayed or discarded before."""

    code = "dead_letter_settled"


class Contended(Conflict):
    """Other writers were faster, every time; nothing was written. Try again."""

    code = "contended"


class DependencyFailed(OpsCoreError):
    """A service behind Ops-Core did not answer well; the same request may succeed later."""

    code = "dependency_failed"


class SettingError(OpsCoreError):
    """A setting is missing or bad; the message names it."""

    code = "setting_invalid"
