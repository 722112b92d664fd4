"""What could not be delivered: recorded for people, and its task's token failed, so that the
workflow's retry or fallback takes over.
"""

from __future__ import annotations

import json

from pydantic import ValidationError

from opscore.lifecycle.attempts import fresh
from opscore.models.dead_letter import DeadLetter, LetterError
from opscore.models.messages import AttemptMessage, StepMessage, TaskMessage, messages
from opscore.models.outcome import Outcome, TaskError
from opscore.models.task import Attempt, AttemptStatus, Task
from opscore.observability import bind, note
from opscore.ports import Clock, ConditionFailed, Store
from opscore.records.codec import text
from opscore.records.dead_letters import DeadLetters
from opscore.records.tasks import Tasks
from opscore.services import TRIES
from opscore.services.outcomes import Outcomes

MAX_BODY = 64 * 1024


class DeadLetterService:
    """Records dead letters."""

    def __init__(
        self,
        store: Store,
        letters: DeadLetters,
        tasks: Tasks,
        outcomes: Outcomes,
        clock: Clock,
    ) -> None:
        self._store = store
        self._letters = letters
        self._tasks = tasks
        self._outcomes = outcomes
        self._clock = clock

    def record(self, message_id: str, body: str, received: int) -> bool:
        """Record a message that the dispatcher gave up on; the same message twice is one letter.

        Its token is failed only if the attempt was never sent: by now nobody else will. Returns
        whether the letter is new. Raises DependencyFailed, Contended.
        """
        attempt = self._attempt(body)
        # SQS goes on counting in the dead-letter queue: the last receive is our own.
        letter, kept = self._letter(message_id, body, max(received - 1, 0), attempt)
        try:
            self._store.write(*self._letters.added(letter, kept))
            new = True
        except ConditionFailed:
            new = False
        note("dead letter recorded", dead_letter_id=message_id, again=not new)
        if attempt is not None:
            self._fail(attempt, letter)
        elif (token := _token(body)) is not None:
            # A task's message that no dispatcher will ever understand: nobody else answers it.
            self._outcomes.tell(token, Outcome.failure(TaskError.DISPATCH_FAILED, letter.reason))
        return new

    def _attempt(self, body: str) -> Attempt | None:
        """The attempt that the message is about, recorded or not."""
        try:
            message = messages.validate_json(body)
        except ValidationError:
            return None
        match message:
            case StepMessage():
                known = self._tasks.attempt(message.attempt_id)
                now = self._clock()
                return known or fresh(message, None, now, now)
            case AttemptMessage(attempt_id=attempt_id):
                return self._tasks.attempt(attempt_id)
            case _:
                return None

    def _letter(
        self, message_id: str, body: str, receive_count: int, attempt: Attempt | None
    ) -> tuple[DeadLetter, str]:
        """The letter, and the message for people to read."""
        if attempt is None:
            return DeadLetter(
                dead_letter_id=message_id,
                recorded_at=self._clock(),
                error=LetterError.NO_TASK if _readable(body) else LetterError.UNREADABLE,
                reason="not a message about a task, or one that can't be read",
                receive_count=receive_count,
            ), _without_token(body)
        message = attempt.message
        bind(session_id=message.session_id, task_id=attempt.attempt_id)
        unsent = attempt.status is AttemptStatus.RECEIVED
        return DeadLetter(
            dead_letter_id=message_id,
            recorded_at=self._clock(),
            error=LetterError.UNDELIVERED if unsent else LetterError.MOVED_ON,
            reason=f"could not be delivered, after {receive_count} tries",
            receive_count=receive_count,
            session_id=message.session_id,
            workflow_id=message.workflow_id,
            task_id=message.task_id,
            task_key=message.task_key,
            attempt_id=attempt.attempt_id,
            agent_id=message.agent_id if isinstance(message, TaskMessage) else None,
            agent_capability=message.agent_capability if isinstance(message, TaskMessage) else None,
        ), text(message.model_dump(mode="json", by_alias=True, exclude={"token"}))

    def _fail(self, attempt: Attempt, letter: DeadLetter) -> None:
        outcome = Outcome.failure(TaskError.DISPATCH_FAILED, letter.reason)
        for _ in range(TRIES):
            if attempt.status is not AttemptStatus.RECEIVED:
                return
            try:
                if self._outcomes.refuse(attempt, self._task_of(attempt), outcome):
                    return
            except ConditionFailed:
                pass  # somebody put it on record just now: look where it stands
            found = self._tasks.attempt(attempt.attempt_id)
            if found is None:
                return
            attempt = found

    def _task_of(self, attempt: Attempt) -> Task | None:
        message = attempt.message
        return self._tasks.work(attempt.attempt_id, message.session_id, message.task_key).task


def _readable(body: str) -> bool:
    try:
        messages.validate_json(body)
    except ValidationError:
        return False
    return True


def _token(body: str) -> str | None:
    """The token of a message that is otherwise unreadable, if it has one."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    token = value.get("token") if isinstance(value, dict) else None
    return token if isinstance(token, str) and token else None


def _without_token(body: str) -> str:
    """The body for people to read: a token that can be told is taken out, the rest stays."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body[:MAX_BODY]
    if isinstance(value, dict):
        value.pop("token", None)
    return text(value)[:MAX_BODY]
