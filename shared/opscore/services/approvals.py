"""Approvals: steps that wait for a person, and the word of that person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import JsonValue

from opscore.errors import ApprovalClosed, ApprovalNotFound, Contended, SessionNotFound
from opscore.models.messages import ApprovalMessage
from opscore.models.outcome import Outcome, TaskError
from opscore.models.task import Attempt, AttemptStatus
from opscore.observability import bind, note
from opscore.ports import Clock, ConditionFailed, Store
from opscore.records.paging import Listing
from opscore.records.sessions import Sessions
from opscore.records.tasks import Tasks, is_open_approval
from opscore.services import TRIES
from opscore.services.outcomes import Decided, Outcomes


@dataclass(frozen=True)
class Word:
    """What a person says to an approval."""

    approved: bool
    by: str | None
    comment: str

    def outcome(self, at: int) -> Outcome:
        """The word as the attempt's outcome; who said it is on record for a rejection too. `at`:
        our clock, ms.
        """
        moment = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
        result: dict[str, JsonValue] = {
            "approved": self.approved,
            "by": self.by,
            "comment": self.comment,
            "at": moment.replace("+00:00", "Z"),
        }
        if self.approved:
            return Outcome.success(result)
        rejected = Outcome.failure(TaskError.REJECTED, self.comment)
        return rejected.model_copy(update={"result": result})

    def was(self, outcome: Outcome) -> bool:
        """Whether this word had that outcome, whenever it was said."""
        said = outcome.result
        if not isinstance(said, dict) or outcome.error_code not in (None, TaskError.REJECTED):
            return False
        return said == {**said, "approved": self.approved, "by": self.by, "comment": self.comment}


class Approvals:
    """Lists open approvals and takes people's words on them."""

    def __init__(
        self, store: Store, tasks: Tasks, sessions: Sessions, outcomes: Outcomes, clock: Clock
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._sessions = sessions
        self._outcomes = outcomes
        self._clock = clock

    def listed(
        self, *, workflow_id: str | None, session_id: str | None, limit: int, cursor: str | None
    ) -> Listing[Attempt]:
        """Open approvals, the oldest first; those of one session all at once.

        Raises SessionNotFound.
        """
        if session_id is None:
            return self._tasks.approvals(workflow_id=workflow_id, limit=limit, cursor=cursor)
        if self._sessions.get(session_id) is None:
            raise SessionNotFound(session_id)
        attempts = self._tasks.attempts_of(self._tasks.of_session(session_id)).values()
        found = [
            attempt
            for attempt in attempts
            if is_open_approval(attempt) and workflow_id in (None, attempt.message.workflow_id)
        ]
        return Listing(sorted(found, key=lambda attempt: attempt.created_at), None)

    def answer(self, task_id: str, word: Word) -> Attempt:
        """Take a person's word; the same again gets the first answer again. The attempt with its
        outcome. Raises ApprovalNotFound, ApprovalClosed, Contended.
        """
        for _ in range(TRIES):
            attempt = self._tasks.attempt(task_id)
            if attempt is None or not isinstance(attempt.message, ApprovalMessage):
                raise ApprovalNotFound(task_id)
            bind(session_id=attempt.session_id, step=attempt.message.task_id)
            if attempt.status is not AttemptStatus.WAITING:
                return self._repeated(attempt, word)
            outcome = word.outcome(self._clock())
            changes = self._outcomes.decision(
                attempt.attempt_id,
                attempt.session_id,
                attempt.message.task_key,
                None,
                outcome,
                {"status": AttemptStatus.WAITING},
            )
            try:
                self._store.write(*changes)
            except ConditionFailed:
                continue
            note("approval answered", approved=word.approved)
            answered = attempt.replace(outcome=outcome)
            if not self._outcomes.send(Decided.of(answered)):
                raise ApprovalClosed("the workflow has moved on and waits for no answer any more")
            return answered
        raise Contended("the approval keeps changing; try again")

    def _repeated(self, attempt: Attempt, word: Word) -> Attempt:
        if attempt.outcome is None or attempt.superseded:
            raise ApprovalClosed("the workflow has moved on and waits for no answer any more")
        if not word.was(attempt.outcome):
            raise ApprovalClosed(f"the approval has ended already: {_summary(attempt.outcome)}")
        if attempt.status is AttemptStatus.COMPLETING:
            self._outcomes.send(Decided.of(attempt), again=True)
        return attempt


def _summary(outcome: Outcome) -> str:
    if outcome.error_code not in (None, TaskError.REJECTED):
        return outcome.message
    by = outcome.result.get("by") if isinstance(outcome.result, dict) else None
    what = "approved" if outcome.succeeded else "rejected"
    return what + (f" by {by}" if by else "")
