"""moto's Step Functions interpreter (5.2.5), mended where it differs from AWS.

`mended_moto` holds every fix while it is open and takes all of them away again. What each one mends
is in its docstring; the runs of `tests/integration/definitions` fail without it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from jsonata.jsonata import Jsonata
from moto import mock_aws
from moto.core.responses import EmptyResult
from moto.stepfunctions.parser.api import EvaluationFailedEventDetails, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_callback as callback,
)
from moto.stepfunctions.parser.asl.eval import states, variable_store
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.jsonata import jsonata
from moto.stepfunctions.responses import StepFunctionResponse

Undo = Callable[[], None]


@contextmanager
def mended_moto(sleep_scale: float = 0.01) -> Iterator[None]:
    """mock_aws with an interpreter that does as AWS does; Retry sleeps take `sleep_scale` of theirs."""
    undo = [fix() for fix in _FIXES]
    undo.append(_scaled_sleeps(sleep_scale))
    boto3.DEFAULT_SESSION = None  # a session made before has clients that moto does not see
    try:
        with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
            yield
    finally:
        for take_back in reversed(undo):
            take_back()


def _replace(owner: Any, name: str, value: Any) -> Undo:
    before = getattr(owner, name)
    setattr(owner, name, value)
    return lambda: setattr(owner, name, before)


def _scaled_sleeps(scale: float) -> Undo:
    """Retry sleeps as long as on AWS: too long for tests."""

    class _Time:
        @staticmethod
        def sleep(seconds: float) -> None:
            time.sleep(seconds * scale)

    return _replace(retrier_decl, "time", _Time)


def _jsonata_without_a_jvm() -> Undo:
    """JSONata is evaluated by a Java library, through a bridge that moto does not ship."""

    def evaluate(source: str) -> Any:
        try:
            return Jsonata(source).evaluate(None)
        except Exception as error:
            raise jsonata.JSONataException("UNKNOWN", str(error)) from error

    return _replace(jsonata, "_eval_jsonata", evaluate)


def _new_token_per_attempt() -> Undo:
    """A retried callback task keeps its token, and so gets its previous failure again at once."""
    service = callback.StateTaskServiceCallback
    before = service._eval_execution

    def eval_execution(self: Any, env: Any) -> Any:
        context = env.states.context_object
        if self._is_integration_pattern() and context.context_object_data["State"]["RetryCount"]:
            env.callback_pool_manager.add(context.update_task_token())
        return before(self, env)

    return _replace(service, "_eval_execution", eval_execution)


def _cause_of_failures() -> Undo:
    """SendTaskFailure drops the cause."""

    def send_task_failure(self: Any) -> Any:
        self.stepfunction_backend.send_task_failure(
            self._get_param("taskToken"),
            error=self._get_param("error"),
            cause=self._get_param("cause"),
        )
        return EmptyResult()

    return _replace(StepFunctionResponse, "send_task_failure", send_task_failure)


def _output_is_json() -> Undo:
    """DescribeExecution gives an output that is a string without its quotes."""
    before = StepFunctionResponse.describe_execution

    def describe_execution(self: Any) -> Any:
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        answer = before(self)
        if isinstance(getattr(execution, "output", None), str):
            answer._result["output"] = json.dumps(execution.output)
        return answer

    return _replace(StepFunctionResponse, "describe_execution", describe_execution)


def _strings_in_variables() -> Undo:
    """String variables are put between quotes without escaping what is in them."""

    def declare(bindings: dict[str, Any]) -> str:
        values = ((k, json.dumps(v, ensure_ascii=False, default=str)) for k, v in bindings.items())
        return "".join(f"{name}:={value};" for name, value in values)

    name = "encode_jsonata_variable_declarations"
    undo = [_replace(module, name, declare) for module in (jsonata, variable_store, states)]
    return lambda: [take_back() for take_back in undo] and None


def _expression_errors_can_be_caught() -> Undo:
    """A failing expression is States.Runtime, which nothing can catch or tell apart."""
    before = StringJSONata._eval_body

    def eval_body(self: Any, env: Any) -> None:
        try:
            before(self, env)
        except jsonata.JSONataException as error:
            name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
            details = EvaluationFailedEventDetails(error=name.error_name, cause=str(error.details))
            raise FailureEventException(
                FailureEvent(
                    env=env,
                    error_name=name,
                    event_type=HistoryEventType.EvaluationFailed,
                    event_details=EventDetails(evaluationFailedEventDetails=details),
                )
            ) from error

    return _replace(StringJSONata, "_eval_body", eval_body)


def _retries_start_afresh() -> Undo:
    """A state that a loop enters again goes on with the retries it had left."""
    before = ExecutionState._eval_body

    def eval_body(self: Any, env: Any) -> Any:
        for retrier in self.retry.retriers if self.retry else ():
            parts = (retrier.max_attempts, retrier.interval_seconds, retrier.backoff_rate)
            keys = [part.heap_key for part in parts]
            for key in [k for k in env.heap if any(part in k for part in keys)]:
                del env.heap[key]
        return before(self, env)

    return _replace(ExecutionState, "_eval_body", eval_body)


_FIXES = (
    _jsonata_without_a_jvm,
    _new_token_per_attempt,
    _cause_of_failures,
    _output_is_json,
    _strings_in_variables,
    _expression_errors_can_be_caught,
    _retries_start_afresh,
)
