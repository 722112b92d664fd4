"""Amazon States Language, as far as compiled workflows use it, in its JSONata form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_BYTES = 1024 * 1024
"""Step Functions' limit on a definition."""

SEND_AND_WAIT = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"


@dataclass(frozen=True, slots=True)
class Way:
    """Where a state goes on, and what it hands on; without a next state it is the last, and what it
    hands on is what it made.
    """

    next_state: str | None
    output: Any = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retrier:
    """One rule of a state's Retry; `max_attempts` counts the tries after the first."""

    error_equals: tuple[str, ...]
    max_attempts: int
    interval_seconds: int | None = None
    backoff_rate: float | None = None
    max_delay_seconds: int | None = None
    full_jitter: bool = False


@dataclass(frozen=True, slots=True)
class Catcher:
    """The one rule of a state's Catch: it takes every error."""

    next_state: str
    assign: Mapping[str, Any] = field(default_factory=dict)
    output: Any = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskState:
    """A state that does something; what it makes is its result."""

    resource: str
    arguments: Mapping[str, Any]
    timeout_seconds: int | str
    way: Way
    retry: tuple[Retrier, ...] = ()
    catch: Catcher | None = None
    assign: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParallelState:
    """Branches that run at once; their results are a list."""

    branches: tuple[Part, ...]
    way: Way
    retry: tuple[Retrier, ...] = ()
    catch: Catcher | None = None
    assign: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MapState:
    """A part that runs once for each item; `executions`: each in an execution of its own."""

    items: Any
    selector: Mapping[str, Any]
    max_concurrency: int
    part: Part
    way: Way
    executions: bool = False
    retry: tuple[Retrier, ...] = ()
    catch: Catcher | None = None
    assign: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PassState:
    """A state that only sets variables; what it hands on is its way's."""

    way: Way
    assign: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WaitState:
    """A pause: of seconds, or until a time."""

    way: Way
    seconds: int | str | None = None
    timestamp: str | None = None
    assign: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChoiceRule:
    """One way on, if a condition holds. Without an output the input is handed on."""

    condition: str
    next_state: str
    assign: Mapping[str, Any] = field(default_factory=dict)
    output: Any = None


@dataclass(frozen=True, slots=True)
class ChoiceState:
    """The first rule that holds decides; `assign` is of the default alone."""

    rules: tuple[ChoiceRule, ...]
    default: str
    assign: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SucceedState:
    """A last state that makes its output; None: what it was handed."""

    output: Any = None


@dataclass(frozen=True, slots=True)
class FailState:
    """A last state that fails its execution, its branch or its item."""

    error: str
    cause: str


State = (
    TaskState
    | ParallelState
    | MapState
    | PassState
    | WaitState
    | ChoiceState
    | SucceedState
    | FailState
)


@dataclass(frozen=True, slots=True)
class Part:
    """States that lead from the first to an end."""

    start_at: str
    states: Mapping[str, State]

    def to_data(self) -> dict[str, Any]:
        """As Step Functions writes it, without states that nothing leads to."""
        return {
            "StartAt": self.start_at,
            "States": {name: _state(self.states[name]) for name in self._reached()},
        }

    def _reached(self) -> set[str]:
        reached, waiting = set[str](), [self.start_at]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += _following(self.states[name])
        return reached


@dataclass(frozen=True, slots=True)
class StateMachine:
    """A whole definition."""

    comment: str
    part: Part
    timeout_seconds: int | None = None

    def to_json(self) -> str:
        """Canonical JSON: the same machine is the same text, whatever order it was made in."""
        return json.dumps(
            _present(
                Comment=self.comment,
                QueryLanguage="JSONata",
                TimeoutSeconds=self.timeout_seconds,
                **self.part.to_data(),
            ),
            ensure_ascii=False,
            sort_keys=True,
            separators=(",", ":"),
        )


def _following(state: State) -> list[str]:
    match state:
        case TaskState() | ParallelState() | MapState():
            found = [state.way.next_state, state.catch.next_state if state.catch else None]
        case PassState() | WaitState():
            found = [state.way.next_state]
        case ChoiceState():
            found = [state.default, *(rule.next_state for rule in state.rules)]
        case SucceedState() | FailState():
            found = []
    return [name for name in found if name is not None]


def _state(state: State) -> dict[str, Any]:
    match state:
        case TaskState():
            return _present(
                Type="Task",
                Resource=state.resource,
                Arguments=state.arguments,
                TimeoutSeconds=state.timeout_seconds,
                **_guarded(state),
            )
        case ParallelState():
            branches = [branch.to_data() for branch in state.branches]
            return _present(Type="Parallel", Branches=branches, **_guarded(state))
        case MapState():
            return _map(state)
        case PassState():
            return _present(Type="Pass", Assign=state.assign or None, **_made(state.way))
        case WaitState():
            return _present(
                Type="Wait",
                Seconds=state.seconds,
                Timestamp=state.timestamp,
                Assign=state.assign or None,
                **_made(state.way),
            )
        case ChoiceState():
            return _present(
                Type="Choice",
                Choices=[_rule(rule) for rule in state.rules],
                Default=state.default,
                Assign=state.assign or None,
            )
        case SucceedState():
            return _present(Type="Succeed", Output=state.output)
        case FailState():
            return {"Type": "Fail", "Error": state.error, "Cause": state.cause}


def _map(state: MapState) -> dict[str, Any]:
    config = {"Mode": "INLINE"}
    if state.executions:
        config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    return _present(
        Type="Map",
        Items=state.items,
        ItemSelector=state.selector,
        MaxConcurrency=state.max_concurrency,
        ItemProcessor={"ProcessorConfig": config, **state.part.to_data()},
        **_guarded(state),
    )


def _guarded(state: TaskState | ParallelState | MapState) -> dict[str, Any]:
    way: dict[str, Any] = {"End": True}
    if state.way.next_state is not None:
        way = {"Next": state.way.next_state, "Output": state.way.output}
    return {
        "Retry": [_retrier(retrier) for retrier in state.retry] or None,
        "Catch": [_catcher(state.catch)] if state.catch else None,
        "Assign": state.assign or None,
        **way,
    }


def _made(way: Way) -> dict[str, Any]:
    """The way on from a state that makes nothing of its own: it says what it hands on."""
    if way.next_state is None:
        return {"End": True, "Output": way.output}
    return {"Next": way.next_state, "Output": way.output}


def _rule(rule: ChoiceRule) -> dict[str, Any]:
    return _present(
        Condition=rule.condition,
        Next=rule.next_state,
        Assign=rule.assign or None,
        Output=rule.output,
    )


def _retrier(retrier: Retrier) -> dict[str, Any]:
    return _present(
        ErrorEquals=list(retrier.error_equals),
        MaxAttempts=retrier.max_attempts,
        IntervalSeconds=retrier.interval_seconds,
        BackoffRate=retrier.backoff_rate,
        MaxDelaySeconds=retrier.max_delay_seconds,
        JitterStrategy="FULL" if retrier.full_jitter else None,
    )


def _catcher(catcher: Catcher) -> dict[str, Any]:
    return _present(
        ErrorEquals=["States.ALL"],
        Next=catcher.next_state,
        Assign=catcher.assign or None,
        Output=catcher.output,
    )


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
