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
    """One rule of a state's Catch."""

    error_equals: tuple[str, ...]
    next_state: str
    assign: Mapping[str, Any] = field(default_factory=dict)
    output: Any = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskState:
    """A state that does something. Without a next state it is the last, and outputs its result."""

    resource: str
    arguments: Mapping[str, Any]
    timeout_seconds: int | str
    retry: tuple[Retrier, ...] = ()
    catch: tuple[Catcher, ...] = ()
    assign: Mapping[str, Any] = field(default_factory=dict)
    next_state: str | None = None


@dataclass(frozen=True, slots=True)
class EndState:
    """A last state whose output is its input."""


State = TaskState | EndState


@dataclass(frozen=True, slots=True)
class StateMachine:
    """A whole definition."""

    comment: str
    start_at: str
    states: Mapping[str, State]
    timeout_seconds: int | None = None

    def to_json(self) -> str:
        """Canonical JSON: the same machine is the same text, whatever order it was made in."""
        return json.dumps(
            _present(
                Comment=self.comment,
                QueryLanguage="JSONata",
                StartAt=self.start_at,
                TimeoutSeconds=self.timeout_seconds,
                States={name: _state(state) for name, state in self.states.items()},
            ),
            ensure_ascii=False,
            sort_keys=True,
            separators=(",", ":"),
        )


def _state(state: State) -> dict[str, Any]:
    match state:
        case TaskState():
            return _present(
                Type="Task",
                Resource=state.resource,
                Arguments=state.arguments,
                TimeoutSeconds=state.timeout_seconds,
                Retry=[_retrier(retrier) for retrier in state.retry] or None,
                Catch=[_catcher(catcher) for catcher in state.catch] or None,
                Assign=state.assign or None,
                **_way_on(state.next_state),
            )
        case EndState():
            return {"Type": "Succeed"}


def _way_on(next_state: str | None) -> dict[str, Any]:
    return {"End": True} if next_state is None else {"Next": next_state, "Output": {}}


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
        ErrorEquals=list(catcher.error_equals),
        Next=catcher.next_state,
        Assign=catcher.assign or None,
        Output=catcher.output,
    )


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
