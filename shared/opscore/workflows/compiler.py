"""From a checked workflow to a Step Functions definition: a pure function, same input, same bytes.

A task is one state that sends one message and waits for its token; a fallback to another route is a
state of its own, a fixed result is none, unless it ends the session. Results live in variables, and
only those that some expression reads: an execution holds no more than 10 MiB of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from opscore.errors import WorkflowInvalid
from opscore.workflows.definition import (
    MAX_BYTES,
    SEND_AND_WAIT,
    Catcher,
    EndState,
    Retrier,
    State,
    StateMachine,
    TaskState,
)
from opscore.workflows.findings import Code, Finding
from opscore.workflows.language import (
    ALL_ERRORS,
    EXPRESSION_ERROR,
    NEVER_RETRIED,
    Expression,
    FixedResult,
    Name,
    OtherRoute,
    OtherTask,
    Payload,
    Reference,
    RetryRule,
    Route,
    Seconds,
    Task,
    Workflow,
    expressions,
    fallback_expressions,
    own_expressions,
    route_expressions,
    routes,
)
from opscore.workflows.names import ERROR_VARIABLE, message_group, result_variable, state_name

BACKSTOP_SECONDS = 300
"""What a state waits beyond the task's own times: Ops-Core ends attempts itself, and Step Functions
only where Ops-Core could not. The sweeper comes every minute."""

MAX_TIMEOUT = 99_999_999

_EXECUTION = "$states.context.Execution"
_SESSION = f"{_EXECUTION}.Input.session"
_INPUT = f"{_EXECUTION}.Input.input"
_CAUGHT = "$states.errorOutput"
_ASL_ERRORS = {
    ALL_ERRORS: ("States.ALL",),
    "AgentTimeout": ("AgentTimeout", "States.Timeout"),
    "HeartbeatTimeout": ("HeartbeatTimeout", "States.HeartbeatTimeout"),
    EXPRESSION_ERROR: ("States.QueryEvaluationError",),
}
_RENAMED = "".join(
    f'{_CAUGHT}.Error = "{names[-1]}" ? "{own}" : '
    for own, names in _ASL_ERRORS.items()
    if own != ALL_ERRORS
)
_CODE = f'{_RENAMED}$exists({_CAUGHT}.Error) ? {_CAUGHT}.Error : ""'
_MESSAGE = f'$exists({_CAUGHT}.Cause) ? {_CAUGHT}.Cause : ""'


def compile_workflow(workflow: Workflow, queue_url: str) -> str:
    """The definition as canonical JSON.

    Raises `WorkflowInvalid` for a workflow without tasks, and for one whose definition is larger
    than Step Functions takes.
    """
    if not workflow.tasks:
        raise _invalid(Code.BAD_VALUE, "a workflow without tasks has nothing to compile")
    definition = _Compiler(workflow, queue_url).machine().to_json()
    size = len(definition.encode())
    if size > MAX_BYTES:
        message = f"the compiled definition has {size} bytes, and Step Functions takes {MAX_BYTES}"
        raise _invalid(Code.DEFINITION_TOO_LARGE, message)
    return definition


def _invalid(code: Code, message: str) -> WorkflowInvalid:
    return WorkflowInvalid([Finding(code, message, path="tasks")])


class _Compiler:
    def __init__(self, workflow: Workflow, queue_url: str) -> None:
        self._workflow = workflow
        self._queue_url = queue_url
        self._group = message_group(workflow.id)
        self._ids = {task.id for task in workflow.tasks}
        self._read = _results_read(workflow)
        self._error_read = _error_read(workflow)

    def machine(self) -> StateMachine:
        states: dict[str, State] = {}
        for task in self._workflow.tasks:
            states |= self._task(task)
        return StateMachine(
            comment=self._workflow.name,
            start_at=self._workflow.tasks[0].id,
            states=states,
            timeout_seconds=self._workflow.timeout,
        )

    def _task(self, task: Task) -> dict[str, State]:
        match task.fallback:
            case None:
                return {task.id: self._state(task, 0, task.route, None)}
            case OtherTask(task_id):
                catcher = Catcher(("States.ALL",), task_id, self._error(task))
                return {task.id: self._state(task, 0, task.route, catcher)}
            case OtherRoute(route):
                name = state_name(task.id, "fallback", self._ids)
                catcher = Catcher(("States.ALL",), name, self._error(task))
                return {
                    task.id: self._state(task, 0, task.route, catcher),
                    name: self._state(task, 1, route, None),
                }
            case FixedResult(result):
                return self._fixed_result(task, result)

    def _error(self, task: Task) -> dict[str, Any]:
        if not self._error_read:
            return {}
        error = {"code": f"{{% {_CODE} %}}", "message": f"{{% {_MESSAGE} %}}", "taskId": task.id}
        return {ERROR_VARIABLE: error}

    def _fixed_result(self, task: Task, result: Payload) -> dict[str, State]:
        value = _whole(result, _in_catch(task))
        if task.next_task is not None:
            assign = {result_variable(task.id): value} if task.id in self._read else {}
            catcher = Catcher(("States.ALL",), task.next_task, assign)
            return {task.id: self._state(task, 0, task.route, catcher)}
        name = state_name(task.id, "result", self._ids)
        catcher = Catcher(("States.ALL",), name, output=value)
        return {task.id: self._state(task, 0, task.route, catcher), name: EndState()}

    def _state(self, task: Task, number: int, route: Route, catcher: Catcher | None) -> TaskState:
        return TaskState(
            resource=SEND_AND_WAIT,
            arguments={
                "QueueUrl": self._queue_url,
                "MessageGroupId": self._group,
                "MessageBody": self._message(task, number, route),
            },
            timeout_seconds=_backstop(task),
            retry=_retriers(route.retry),
            catch=(catcher,) if catcher else (),
            assign={result_variable(task.id): "{% $states.result %}"}
            if task.id in self._read
            else {},
            next_state=task.next_task,
        )

    def _message(self, task: Task, number: int, route: Route) -> dict[str, Any]:
        message: dict[str, Any] = {
            "kind": "task",
            "token": "{% $states.context.Task.Token %}",
            "sessionId": f"{{% {_EXECUTION}.Name %}}",
            "workflowId": self._workflow.id,
            "taskId": task.id,
            "name": _asl(task.name, _plain),
            "route": number,
            "retry": "{% $states.context.State.RetryCount %}",
            "sessionAgentId": f"{{% {_SESSION}.agentId %}}",
            "parameters": self._parameters(task, route),
            "timeout": _asl(task.timeout, _plain),
            "waitTimeout": _asl(task.wait_timeout, _plain),
            "priority": _asl(task.priority, _plain),
            "index": [],
        }
        if route.agent_id is None and route.agent_capability is None:
            message["agentId"] = message["sessionAgentId"]
        optional = {
            "agentId": route.agent_id,
            "agentCapability": route.agent_capability,
            "heartbeat": task.heartbeat,
        }
        given = {key: value for key, value in optional.items() if value is not None}
        return message | {key: _asl(value, _plain) for key, value in given.items()}

    def _parameters(self, task: Task, route: Route) -> Any:
        """The route's parameters.

        The original's rule: those of the first task, where it uses no expressions, are overlaid by
        what the session was started with.
        """
        first = task is self._workflow.tasks[0]
        if not first or own_expressions(task) or route_expressions(route):
            return _asl(route.parameters, _plain)
        own = _literal(_asl(route.parameters, _plain))
        return f'{{% $type({_INPUT}) = "object" ? $merge([{own}, {_INPUT}]) : {own} %}}'


def _names(reference: Reference) -> str:
    match reference.name:
        case Name.INPUT:
            return _INPUT
        case Name.SESSION:
            return _SESSION
        case Name.ERROR:
            return f"${ERROR_VARIABLE}"
        case Name.TASKS:
            return f"${result_variable(reference.task or '')}"


def _plain(expression: Expression) -> str:
    return expression.rewritten(_names)


def _in_catch(task: Task) -> Callable[[Expression], str]:
    """Sources inside a Catch, where the error is at hand and its variable not yet set."""
    error = f'{{"code": {_CODE}, "message": {_MESSAGE}, "taskId": {_literal(task.id)}}}'

    def source_of(expression: Expression) -> str:
        source = expression.rewritten(_names)
        if all(reference.name is not Name.ERROR for reference in expression.references):
            return source
        return f"(${ERROR_VARIABLE} := {error}; {source})"

    return source_of


def _asl(payload: Payload, source_of: Callable[[Expression], str]) -> Any:
    """A payload as Step Functions takes it, inside an object."""
    match payload:
        case Expression():
            return f"{{% {source_of(payload)} %}}"
        case Mapping():
            return {key: _asl(value, source_of) for key, value in payload.items()}
        case tuple():
            return [_asl(item, source_of) for item in payload]
        case _:
            return payload


def _whole(payload: Payload, source_of: Callable[[Expression], str]) -> Any:
    """A payload that is all of an output or a variable.

    What is no object becomes an expression: interpreters disagree on bare values there.
    """
    value = _asl(payload, source_of)
    if isinstance(payload, Mapping) or expressions(payload):
        return value
    return f"{{% {_literal(value)} %}}"


def _literal(value: Any) -> str:
    """JSON is JSONata, but for nothing."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _results_read(workflow: Workflow) -> set[str]:
    """The tasks whose results some expression reads."""
    return {
        reference.task
        for task in workflow.tasks
        for expression in (*own_expressions(task), *fallback_expressions(task))
        for reference in expression.references
        if reference.task is not None
    }


def _error_read(workflow: Workflow) -> bool:
    """Whether some state reads the error variable; fixed results are made in the Catch itself."""
    return any(
        reference.name is Name.ERROR
        for task in workflow.tasks
        for route in routes(task)
        for expression in (*own_expressions(task), *route_expressions(route))
        for reference in expression.references
    )


def _backstop(task: Task) -> int | str:
    if isinstance(task.timeout, int) and isinstance(task.wait_timeout, int):
        return task.wait_timeout + task.timeout + BACKSTOP_SECONDS
    wait, own = _operand(task.wait_timeout), _operand(task.timeout)
    return f"{{% $min([$ceil({wait} + {own}) + {BACKSTOP_SECONDS}, {MAX_TIMEOUT}]) %}}"


def _operand(seconds: Seconds) -> str:
    return f"({_plain(seconds)})" if isinstance(seconds, Expression) else str(seconds)


def _retriers(rules: tuple[RetryRule, ...]) -> tuple[Retrier, ...]:
    retriers: list[Retrier] = []
    for rule in rules:
        if rule.errors == (ALL_ERRORS,):
            if rule.max_retries == 0:
                break
            retriers.append(Retrier(_asl_errors(NEVER_RETRIED), max_attempts=0))
        retriers.append(_retrier(rule))
    return tuple(retriers)


def _retrier(rule: RetryRule) -> Retrier:
    if rule.max_retries == 0:
        return Retrier(_asl_errors(rule.errors), max_attempts=0)
    return Retrier(
        _asl_errors(rule.errors),
        max_attempts=rule.max_retries,
        interval_seconds=rule.interval,
        backoff_rate=rule.backoff_rate,
        max_delay_seconds=rule.max_delay,
        full_jitter=rule.full_jitter,
    )


def _asl_errors(errors: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(asl for error in errors for asl in _ASL_ERRORS.get(error, (error,))))
