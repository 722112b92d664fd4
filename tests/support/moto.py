"""moto as a whole AWS whose state machines run: its API mended, its interpreter in real threads.

Where only a definition matters, `opscore_trial.interpreter` runs it without an AWS around it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import boto3
from moto import mock_aws
from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.responses import StepFunctionResponse

from opscore_trial.mends import MENDS
from opscore_trial.patching import Mend, Patches, patched


@contextmanager
def mended_moto(sleep_scale: float = 0.01) -> Iterator[None]:
    """mock_aws with an interpreter that does as AWS does, but sleeps `sleep_scale` of the time."""
    mends = (*MENDS, *_API_MENDS, _scaled_sleeps(sleep_scale), _clients_are_made_anew)
    with patched(mends), mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        yield


@contextmanager
def plain_moto() -> Iterator[None]:
    """mock_aws without an interpreter."""
    with patched((items_are_written_as_they_are,)), mock_aws():
        yield


def _scaled_sleeps(scale: float) -> Mend:
    """Retry sleeps as long as on AWS: too long for tests."""

    def mend(patches: Patches) -> None:
        def sleep(seconds: float) -> None:
            time.sleep(seconds * scale)

        patches.set(retrier_decl, "time", SimpleNamespace(sleep=sleep))

    return mend


def _clients_are_made_anew(patches: Patches) -> None:
    """moto does not see clients that were made before it."""
    patches.set(boto3, "DEFAULT_SESSION", None)


def _failures_have_their_cause(patches: Patches) -> None:
    """Defect: SendTaskFailure drops the cause."""

    def send_task_failure(self: Any) -> Any:
        self.stepfunction_backend.send_task_failure(
            self._get_param("taskToken"),
            error=self._get_param("error"),
            cause=self._get_param("cause"),
        )
        return EmptyResult()

    patches.set(StepFunctionResponse, "send_task_failure", send_task_failure)


def _output_is_json(patches: Patches) -> None:
    """Defect: DescribeExecution gives an output that is a string without its quotes."""
    before = StepFunctionResponse.describe_execution

    def describe_execution(self: Any) -> Any:
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        answer = before(self)
        if isinstance(getattr(execution, "output", None), str):
            cast("dict[str, Any]", answer._result)["output"] = json.dumps(execution.output)
        return answer

    patches.set(StepFunctionResponse, "describe_execution", describe_execution)


def items_are_written_as_they_are(patches: Patches) -> None:
    """Slowness: each attribute of an item is asked for ten types by name, half of a request's time.
    Answers about items are JSON already.
    """
    before = ActionResult.execute_result

    def execute_result(self: Any, context: Any) -> Any:
        plain = context.service_model.service_name == "dynamodb" and isinstance(self.result, dict)
        if plain and context.operation_model.name in _ABOUT_ITEMS:
            return 200, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(self.result)
        return before(self, context)

    patches.set(ActionResult, "execute_result", execute_result)


_ABOUT_ITEMS = {"GetItem", "BatchGetItem", "Query", "TransactWriteItems", "PutItem", "UpdateItem"}

_API_MENDS: tuple[Mend, ...] = (
    _failures_have_their_cause,
    _output_is_json,
    items_are_written_as_they_are,
)
