"""Who a session's messages go to: agents and people who answer as a case says, and Ops-Core, which
ends what is not answered in time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

from opscore.models.outcome import TaskError
from opscore_trial.cases import Answer, Case, Fails, Gives, Says, Silent
from opscore_trial.interpreter import Execution
from opscore_trial.labels import label, names


class UnansweredError(Exception):
    """A task that was asked for, and that the case has no answer for; its text is the label."""


@dataclass
class Asked:
    """One message: what was asked, after how many seconds, and what came of it.

    `ended` tells whether it was answered before the session moved on; `result` and `error` how.
    """

    label: str
    message: Mapping[str, Any]
    at: float
    ended: bool = False
    result: Any = None
    error: Fails | None = None

    @property
    def succeeded(self) -> bool:
        return self.ended and self.error is None


class Fleet:
    """Answers the messages of a case's executions, and remembers them."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._used: Counter[str] = Counter()
        self.asked: list[Asked] = []

    def answering(self, definition: str, given: Any) -> Execution:
        """An execution whose messages come here."""

        def receive(message: dict[str, Any]) -> None:
            asked = Asked(label(message), message, execution.seconds)
            self.asked.append(asked)
            self._answer(execution, asked, self._next(message))

        execution = Execution(definition, given, receive)
        return execution

    def _next(self, message: Mapping[str, Any]) -> Answer:
        for name in names(message):
            if answers := self._case.answers.get(name):
                self._used[name] += 1
                return answers[min(self._used[name], len(answers)) - 1]
        raise UnansweredError(label(message))

    def _answer(self, execution: Execution, asked: Asked, answer: Answer) -> None:
        limit, error = _limit(asked.message, silent=isinstance(answer.what, Silent))
        if isinstance(answer.what, Silent) or answer.after >= limit:
            execution.after(limit, _failing(execution, asked, error))
            return
        match answer.what:
            case Gives(result):
                execution.after(answer.after, _giving(execution, asked, lambda: result))
            case Fails() as failure:
                execution.after(answer.after, _failing(execution, asked, failure))
            case Says(approved=True) as word:
                said = _giving(execution, asked, lambda: _approval(word, execution))
                execution.after(answer.after, said)
            case Says(comment=comment):
                rejected = Fails("Rejected", comment)
                execution.after(answer.after, _failing(execution, asked, rejected))


def _giving(execution: Execution, asked: Asked, result: Callable[[], Any]) -> Callable[[], None]:
    def give() -> None:
        asked.ended, asked.result = True, result()
        execution.succeed(asked.message["token"], asked.result)

    return give


def _failing(execution: Execution, asked: Asked, error: Fails) -> Callable[[], None]:
    def fail() -> None:
        asked.ended, asked.error = True, error
        execution.fail(asked.message["token"], error.code, error.message)

    return fail


def _approval(word: Says, execution: Execution) -> dict[str, Any]:
    at = execution.began + timedelta(seconds=execution.seconds)
    return {
        "approved": True,
        "by": word.by,
        "comment": word.comment,
        "at": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def _limit(message: Mapping[str, Any], *, silent: bool) -> tuple[float, Fails]:
    """How long Ops-Core waits for the answer, and the error that then ends the attempt."""
    seconds, heartbeat = float(message["timeout"]), message.get("heartbeat")
    if message["kind"] != "task":
        return seconds, Fails("Timeout", f"nobody answered within {seconds:g} s")
    if silent and heartbeat is not None and heartbeat < seconds:
        said = f"the agent was not heard of for {heartbeat:g} s"
        return float(heartbeat), Fails(TaskError.HEARTBEAT_TIMEOUT, said)
    said = f"the agent gave no outcome within {seconds:g} s"
    return seconds, Fails(TaskError.AGENT_TIMEOUT, said)
