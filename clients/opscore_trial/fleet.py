"""Who a session's messages go to: agents and people who answer as a case says, and Ops-Core, which
ends what is not answered in time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from opscore.models.messages import (
    AnyStep,
    ApprovalMessage,
    SignalMessage,
    StepMessage,
    TaskMessage,
    WorkflowMessage,
)
from opscore.models.outcome import Outcome, TaskError
from opscore.services.approvals import Word
from opscore.services.judging import fitting
from opscore_trial.cases import Answer, Case, Fails, Gives, Says, Silent
from opscore_trial.interpreter import Execution
from opscore_trial.labels import label, names

Step = TaskMessage | ApprovalMessage | SignalMessage | WorkflowMessage
_steps: TypeAdapter[Step] = TypeAdapter(AnyStep)


class UnansweredError(Exception):
    """A message that nobody could answer; the text is for people."""


@dataclass
class Asked:
    """One message: what was asked, after how many seconds, and what came of it; nothing did if the
    session moved on before.
    """

    message: Step
    at: float
    outcome: Outcome | None = None
    ended_at: float | None = None

    @property
    def label(self) -> str:
        """The full name of what was asked."""
        return label(self.message)

    @property
    def succeeded(self) -> bool:
        return self.outcome is not None and self.outcome.succeeded

    @property
    def content(self) -> Any:
        """What an agent, a person or a child session was given."""
        match self.message:
            case TaskMessage(parameters=content):
                return content
            case ApprovalMessage(prompt=content):
                return content
            case SignalMessage(signal=content):
                return content
            case WorkflowMessage(input=content):
                return content


class Fleet:
    """Answers the messages of a case's executions, and remembers them."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._used: Counter[str] = Counter()
        self.asked: list[Asked] = []

    def answering(self, definition: str, given: Any) -> Execution:
        """An execution whose messages come here. Its run raises UnansweredError."""

        def receive(body: dict[str, Any]) -> None:
            asked = Asked(_read(body), execution.seconds)
            self.asked.append(asked)
            _Attempt(execution, asked).end_by(self._next(asked.message))

        execution = Execution(definition, given, receive)
        return execution

    def _next(self, message: StepMessage) -> Answer:
        for name in names(message):
            if answers := self._case.answers.get(name):
                self._used[name] += 1
                return answers[min(self._used[name], len(answers)) - 1]
        raise UnansweredError(f"{label(message)} was asked for, and the case has no answer for it")


def _read(body: dict[str, Any]) -> Step:
    try:
        return _steps.validate_python(body)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors())
        told = f"Ops-Core can't read what asks for {body['taskId']}: {'; '.join(faults)}"
        raise UnansweredError(told) from error


@dataclass(frozen=True)
class _Attempt:
    execution: Execution
    asked: Asked

    def end_by(self, answer: Answer) -> None:
        """End it as the case says, or by Ops-Core's own time limit."""
        silent = isinstance(answer.what, Silent)
        limit, over = _limit(self.asked.message, silent=silent)
        if silent or answer.after >= limit:
            self.execution.after(limit, self._ending(lambda: over))
        else:
            self.execution.after(answer.after, self._ending(lambda: self._said(answer)))

    def _said(self, answer: Answer) -> Outcome:
        match answer.what:
            case Gives(result):
                return self._judged(Outcome.success(result))
            case Fails(code, message):
                return Outcome.failure(code, message)
            case Says(approved, by, comment):
                began = self.execution.began.timestamp()
                at = round((began + self.execution.seconds) * 1000)
                return Word(approved, by, comment).outcome(at)
            case Silent():
                raise AssertionError("silence has no outcome of its own")

    def _judged(self, outcome: Outcome) -> Outcome:
        message = self.asked.message
        schema = message.result_schema if isinstance(message, TaskMessage) else None
        return outcome if schema is None else fitting(schema, outcome)

    def _ending(self, outcome_of: Callable[[], Outcome]) -> Callable[[], None]:
        def end() -> None:
            outcome, token = outcome_of(), self.asked.message.token
            self.asked.outcome, self.asked.ended_at = outcome, self.execution.seconds
            if outcome.error_code is None:
                self.execution.succeed(token, outcome.result)
            else:
                self.execution.fail(token, outcome.error_code, outcome.message)

        return end


def _limit(message: Step, *, silent: bool) -> tuple[float, Outcome]:
    """How long Ops-Core waits for the answer, and the failure that then ends the attempt."""
    seconds = message.timeout
    error = TaskError.TIMEOUT
    match message:
        case TaskMessage(heartbeat=float(heartbeat)) if silent and heartbeat < seconds:
            said = f"the agent was not heard of for {heartbeat:g} s"
            return heartbeat, Outcome.failure(TaskError.HEARTBEAT_TIMEOUT, said)
        case TaskMessage():
            error, what = TaskError.AGENT_TIMEOUT, "the agent gave no outcome"
        case ApprovalMessage():
            what = "nobody approved or rejected"
        case SignalMessage(signal=name):
            what = f"no signal {name!r} came"
        case WorkflowMessage():
            what = "the child session did not end"
    return seconds, Outcome.failure(error, f"{what} within {seconds:g} s")


def labels(asked: Sequence[Asked]) -> list[str]:
    """The full names of what was asked, in order."""
    return [one.label for one in asked]
