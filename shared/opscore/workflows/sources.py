"""What the names of the language stand for in a compiled definition."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from opscore.workflows.effort import has_executions_of_its_own
from opscore.workflows.flow import Flow
from opscore.workflows.language import (
    EXPRESSION_ERROR,
    TIMEOUT,
    TOO_MANY_FAILURES,
    Approval,
    Child,
    Expression,
    Map,
    Name,
    Payload,
    Reference,
    Seconds,
    Signal,
    Step,
)
from opscore.workflows.names import error_variable, result_variable, set_variable
from opscore.workflows.steps import expressions

_EXECUTION_INPUT = "$states.context.Execution.Input"
SESSION = f"{_EXECUTION_INPUT}.session"
INPUT = f"{_EXECUTION_INPUT}.input"
RESULTS = f"{_EXECUTION_INPUT}.results"
COMPLETED = f"{_EXECUTION_INPUT}.completed"
SESSION_ERROR = f"{_EXECUTION_INPUT}.error"

_TOO_MANY = "States.ExceedToleratedFailureThreshold"
"""How a map fails whose items have executions of their own, whatever an item failed with."""

RETRY_NAMES = {
    "ALL": ("States.ALL",),
    "AgentTimeout": ("AgentTimeout", "States.Timeout"),
    TIMEOUT: (TIMEOUT, "States.Timeout"),
    "HeartbeatTimeout": ("HeartbeatTimeout", "States.HeartbeatTimeout"),
    EXPRESSION_ERROR: ("States.QueryEvaluationError",),
    TOO_MANY_FAILURES: (TOO_MANY_FAILURES, _TOO_MANY),
}
"""What a rule for one of our errors matches in Step Functions; others match themselves."""

_CAUGHT = "$states.errorOutput"


@dataclass(frozen=True, slots=True)
class Error:
    """JSONata for a failure's code and message, and the step that failed."""

    code: str
    message: str
    step_id: str

    @classmethod
    def caught(cls, step: Step) -> Error:
        """What a Catch of the step has caught, under the language's own names."""
        timeout = TIMEOUT if isinstance(step, Approval | Signal | Child) else "AgentTimeout"
        renamed = {
            "States.Timeout": timeout,
            "States.HeartbeatTimeout": "HeartbeatTimeout",
            "States.QueryEvaluationError": EXPRESSION_ERROR,
        }
        if isinstance(step, Map) and has_executions_of_its_own(step):
            renamed[_TOO_MANY] = TOO_MANY_FAILURES
        code = "".join(
            f'{_CAUGHT}.Error = "{theirs}" ? "{own}" : ' for theirs, own in renamed.items()
        )
        return cls(
            code=f'{code}$exists({_CAUGHT}.Error) ? {_CAUGHT}.Error : ""',
            message=f'$exists({_CAUGHT}.Cause) ? {_CAUGHT}.Cause : ""',
            step_id=step.id,
        )

    @classmethod
    def made(cls, step: Step, code: str, message: str) -> Error:
        """One that a compiled definition makes itself; `message` is JSONata."""
        return cls(literal(code), message, step.id)

    def fields(self) -> dict[str, Any]:
        """The error as a value of a definition."""
        return {
            "code": f"{{% {self.code} %}}",
            "message": f"{{% {self.message} %}}",
            "taskId": self.step_id,
        }

    def source(self) -> str:
        """The error as JSONata."""
        step_id = literal(self.step_id)
        return f'{{"code": {self.code}, "message": {self.message}, "taskId": {step_id}}}'


@dataclass(frozen=True, slots=True)
class Sources:
    """Rewrites the expressions of one step.

    `index`: JSONata of `$index`. `on_record`: results come from the session's record, where the
    flow has no such step. `failure`: the error that has just been caught, and is no variable yet;
    `caught_in`: the scope in whose error variable it stands already.
    """

    flow: Flow
    step_id: str
    index: str | None = None
    on_record: bool = False
    until: bool = False
    failure: Error | None = None
    caught_in: int | None = None

    def failing(self, failure: Error) -> Sources:
        """The same where the step has just failed."""
        return replace(self, failure=failure)

    def in_error_scope(self, scope: int) -> Sources:
        """The same where a Catch has just set the error variable of that scope."""
        return replace(self, caught_in=scope)

    def source(self, expression: Expression) -> str:
        """The expression as JSONata of a definition."""
        source = expression.rewritten(self._name)
        if self.failure and any(r.name is Name.ERROR for r in expression.references):
            source = f"($e_caught := {self.failure.source()}; {source})"
        if any(self._from_record(reference) for reference in expression.references):
            # What was not made is null here: an undefined value would fail the state.
            source = f"($f_found := ({source}); $exists($f_found) ? $f_found : null)"
        return source

    def value(self, payload: Payload) -> Any:
        """A payload as Step Functions takes it, inside an object."""
        match payload:
            case Expression():
                return f"{{% {self.source(payload)} %}}"
            case Mapping():
                return {key: self.value(value) for key, value in payload.items()}
            case tuple():
                return [self.value(item) for item in payload]
            case _:
                return payload

    def whole(self, payload: Payload) -> Any:
        """A payload that is all of an output or a variable.

        What is no object becomes an expression: interpreters disagree on bare values there.
        """
        value = self.value(payload)
        if isinstance(payload, Mapping) or expressions(payload):
            return value
        return f"{{% {literal(value)} %}}"

    def text(self, value: str | Expression) -> str:
        """Text as JSONata."""
        return f"({self.source(value)})" if isinstance(value, Expression) else literal(value)

    def seconds(self, value: Seconds) -> str:
        """A number of seconds as JSONata."""
        return f"({self.source(value)})" if isinstance(value, Expression) else str(value)

    def _name(self, reference: Reference) -> str:
        match reference.name:
            case Name.INPUT:
                return INPUT
            case Name.SESSION:
                return SESSION
            case Name.ITEM:
                return "$states.input.item"
            case Name.INDEX:
                return self.index or "null"
            case Name.VARIABLE:
                return f"${set_variable(reference.variable or '')}"
            case Name.ERROR:
                return self._error()
            case Name.TASKS if self._from_record(reference):
                return f"$lookup({RESULTS}, {literal(reference.task)})"
            case Name.TASKS:
                return f"${result_variable(reference.task or '')}"

    def _error(self) -> str:
        if self.failure:
            return "$e_caught"
        scope = self.error_scope()
        return SESSION_ERROR if scope is None else f"${error_variable(scope)}"

    def error_scope(self) -> int | None:
        """Whose error variable `$error` means here; None: the session's own error."""
        if self.caught_in is not None:
            return self.caught_in
        if self.flow.step(self.step_id) is None or not self.flow.reached(self.step_id):
            return None
        return self.flow.error_scope(self.step_id, until=self.until)

    def _from_record(self, reference: Reference) -> bool:
        return (
            self.on_record and reference.task is not None and self.flow.step(reference.task) is None
        )


def literal(value: Any) -> str:
    """JSON is JSONata, but for nothing."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
