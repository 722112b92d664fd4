"""moto's Step Functions interpreter (5.2.5), mended where it differs from AWS.

`mended_moto` holds every fix while it is open and takes all of them away again. What each one mends
is in its docstring; the runs of `tests/integration/definitions` fail without it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import boto3
import pytest
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
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_callback as callback,
)
from moto.stepfunctions.parser.asl.eval import states, variable_store
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.jsonata import jsonata
from moto.stepfunctions.responses import StepFunctionResponse


@contextmanager
def mended_moto(sleep_scale: float = 0.01) -> Iterator[None]:
    """mock_aws with an interpreter that does as AWS does, but sleeps `sleep_scale` of the time."""
    with pytest.MonkeyPatch.context() as patch:
        for fix in _FIXES:
            fix(patch)
        _scaled_sleeps(patch, sleep_scale)
        patch.setattr(boto3, "DEFAULT_SESSION", None)  # moto does not see clients made before it
        with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
            yield


def _scaled_sleeps(patch: pytest.MonkeyPatch, scale: float) -> None:
    """Retry sleeps as long as on AWS: too long for tests."""

    class _Time:
        @staticmethod
        def sleep(seconds: float) -> None:
            time.sleep(seconds * scale)

    patch.setattr(retrier_decl, "time", _Time)


def _jsonata_without_a_jvm(patch: pytest.MonkeyPatch) -> None:
    """JSONata is evaluated by a Java library, through a bridge that moto does not ship."""

    def evaluate(source: str) -> Any:
        try:
            return Jsonata(source).evaluate(None)
        except Exception as error:
            raise jsonata.JSONataException("UNKNOWN", str(error)) from error

    patch.setattr(jsonata, "_eval_jsonata", evaluate)


def _new_token_per_attempt(patch: pytest.MonkeyPatch) -> None:
    """A retried callback task keeps its token, and so gets its previous failure again at once."""
    service = callback.StateTaskServiceCallback
    before = service._eval_execution

    def eval_execution(self: Any, env: Any) -> Any:
        context = env.states.context_object
        if self._is_integration_pattern() and context.context_object_data["State"]["RetryCount"]:
            env.callback_pool_manager.add(context.update_task_token())
        return before(self, env)

    patch.setattr(service, "_eval_execution", eval_execution)


def _cause_of_failures(patch: pytest.MonkeyPatch) -> None:
    """SendTaskFailure drops the cause."""

    def send_task_failure(self: Any) -> Any:
        self.stepfunction_backend.send_task_failure(
            self._get_param("taskToken"),
            error=self._get_param("error"),
            cause=self._get_param("cause"),
        )
        return EmptyResult()

    patch.setattr(StepFunctionResponse, "send_task_failure", send_task_failure)


def _output_is_json(patch: pytest.MonkeyPatch) -> None:
    """DescribeExecution gives an output that is a string without its quotes."""
    before = StepFunctionResponse.describe_execution

    def describe_execution(self: Any) -> Any:
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        answer = before(self)
        if isinstance(getattr(execution, "output", None), str):
            cast("dict[str, Any]", answer._result)["output"] = json.dumps(execution.output)
        return answer

    patch.setattr(StepFunctionResponse, "describe_execution", describe_execution)


def _strings_in_variables(patch: pytest.MonkeyPatch) -> None:
    """String variables are put between quotes without escaping what is in them."""

    def declare(bindings: dict[str, Any]) -> str:
        values = ((k, json.dumps(v, ensure_ascii=False, default=str)) for k, v in bindings.items())
        return "".join(f"{name}:={value};" for name, value in values)

    for module in (jsonata, variable_store, states):
        patch.setattr(module, "encode_jsonata_variable_declarations", declare)


def _expression_errors_can_be_caught(patch: pytest.MonkeyPatch) -> None:
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
                    event_details=cast("EventDetails", {"evaluationFailedEventDetails": details}),
                )
            ) from error

    patch.setattr(StringJSONata, "_eval_body", eval_body)


_FIXES = (
    _jsonata_without_a_jvm,
    _new_token_per_attempt,
    _cause_of_failures,
    _output_is_json,
    _strings_in_variables,
    _expression_errors_can_be_caught,
)
