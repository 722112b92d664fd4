"""Small Step Functions definitions for tests of the interpreter, and someone who answers them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opscore_trial.interpreter import Ended, Execution
from opscore_trial.mends import MENDS
from opscore_trial.patching import Mend

SEND_AND_WAIT = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"

State = dict[str, Any]
States = Mapping[str, State]


@dataclass(frozen=True)
class Fails:
    """An answer that is an error."""

    error: str
    cause: str = "because"


SILENT = object()
"""No answer, ever."""


@dataclass(frozen=True)
class Played:
    """An execution's end, and the messages that it sent."""

    ended: Ended
    messages: list[dict[str, Any]]

    @property
    def asked(self) -> list[str]:
        """The names in the messages."""
        return [message["name"] for message in self.messages]


def task(name: str, **fields: Any) -> State:
    """A state that sends a message of this name and waits for its answer."""
    says = fields.pop("says", "{% null %}")
    body = {"name": name, "says": says, "token": "{% $states.context.Task.Token %}"}
    arguments = {"QueueUrl": "queue", "MessageBody": body}
    return _ways({"Type": "Task", "Resource": SEND_AND_WAIT, "Arguments": arguments} | fields)


def passing(**fields: Any) -> State:
    """A state that only makes an output or sets variables."""
    return _ways({"Type": "Pass"} | fields)


def parallel(*branches: States, **fields: Any) -> State:
    """States beside each other."""
    return _ways({"Type": "Parallel", "Branches": [machine(b) for b in branches]} | fields)


def each(items: Any, states: States, mode: str = "INLINE", **fields: Any) -> State:
    """States for each item."""
    config = {"Mode": mode} | ({"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {})
    processor = {"ProcessorConfig": config} | machine(states)
    return _ways({"Type": "Map", "Items": items, "ItemProcessor": processor} | fields)


def caught(next_state: str, *errors: str, **fields: Any) -> dict[str, Any]:
    """The fields of a state that goes on elsewhere after these errors."""
    return {"Catch": [{"ErrorEquals": list(errors or ["States.ALL"]), "Next": next_state} | fields]}


def machine(states: States) -> dict[str, Any]:
    """States from the first on."""
    return {"StartAt": next(iter(states)), "States": dict(states)}


def play(
    states: States,
    answers: Mapping[str, Sequence[Any]] | None = None,
    *,
    given: Any = None,
    mends: tuple[Mend, ...] = MENDS,
    **fields: Any,
) -> Played:
    """Run a definition; each message is answered after a second, the last answer repeats."""
    used: dict[str, int] = {}
    messages: list[dict[str, Any]] = []

    def receive(message: dict[str, Any]) -> None:
        messages.append(message)
        name, token = message["name"], message["token"]
        turns = (answers or {})[name]
        used[name] = used.get(name, -1) + 1
        match turns[min(used[name], len(turns) - 1)]:
            case Fails(error, cause):
                execution.after(1, lambda: execution.fail(token, error, cause))
            case answer if answer is not SILENT:
                execution.after(1, lambda: execution.succeed(token, answer))

    definition = json.dumps({"QueryLanguage": "JSONata"} | machine(states) | fields)
    execution = Execution(definition, given, receive, mends=mends)
    return Played(execution.run(), messages)


def _ways(state: State) -> State:
    return state if "Next" in state else state | {"End": True}
