"""Every error has its answer, and none tells what happened inside."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

from opscore import errors
from opscore.http.responses import answer, error_answer, status_of

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.OpsCoreError)
]

STATUS = {
    "OpsCoreError": 500, "SettingError": 500, "DependencyFailed": 503, "Contended": 503,
    "InvalidRequest": 400, "UnknownEventType": 400, "MissingAgentId": 400, "AgentIdMismatch": 400,
    "InvalidCursor": 400, "Malformed": 422, "WorkflowInvalid": 422, "PayloadTooLarge": 413,
    "InputInvalid": 422,
    "Unauthenticated": 401,
    "NotFound": 404, "AgentNotFound": 404, "AgentStateNotFound": 404, "SessionNotFound": 404,
    "TaskNotFound": 404, "WorkflowNotFound": 404, "DeadLetterNotFound": 404,
    "ApprovalNotFound": 404,
    "PolicyNotFound": 404,
    "QuarantineNotFound": 404,
    "Conflict": 409, "StaleFence": 409, "OutcomeDiffers": 409, "IdempotencyKeyReused": 409,
    "ApprovalClosed": 409, "SignalIdReused": 409, "TooManySignals": 409,
    "SessionFinal": 409, "WorkflowShipped": 409, "InvalidTransition": 409,
    "SessionNotFinal": 409, "NothingFailed": 409, "DefinitionGone": 409,
    "LetterSettled": 409, "KeptTaskChanged": 409, "NotReplayable": 409,
}  # fmt: skip


def made(kind: type[errors.OpsCoreError]) -> errors.OpsCoreError:
    return kind([{"a": 1}]) if kind is errors.WorkflowInvalid else kind("some-id")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_the_status_that_fits_it(kind: type[errors.OpsCoreError]) -> None:
    assert status_of(made(kind)) == STATUS[kind.__name__]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_answered_with_an_object_of_detail_and_code(
    kind: type[errors.OpsCoreError],
) -> None:
    response = error_answer(made(kind))
    body = json.loads(str(response.body))

    assert set(body) == {"detail", "code"}
    assert body["code"] == kind.code


def test_codes_tell_errors_apart() -> None:
    codes = [kind.code for kind in KINDS if kind is not errors.AgentStateNotFound]

    assert len(set(codes)) == len(codes)


def test_what_failed_inside_is_not_told() -> None:
    response = error_answer(errors.SettingError("missing setting: WORK_TABLE"))

    assert "WORK_TABLE" not in str(response.body)


@pytest.mark.parametrize("error", [errors.Contended("x"), errors.DependencyFailed("x")])
def test_who_should_try_again_is_told_when(error: errors.OpsCoreError) -> None:
    assert error_answer(error).headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (errors.AgentNotFound("a"), "Agent not found: a"),
        (errors.AgentStateNotFound("a"), "No state found for agent a"),
        (errors.WorkflowNotFound("w"), "Workflow definition not found: w"),
        (errors.Malformed([{"type": "x"}]), [{"type": "x"}]),
    ],
)
def test_wordings_that_clients_know(error: errors.OpsCoreError, detail: Any) -> None:
    assert json.loads(str(error_answer(error).body))["detail"] == detail


def test_answers_are_json_in_utf_8() -> None:
    response = answer(202, {"é": None})

    assert response.content_type == "application/json"
    assert response.body == '{"é":null}'


def test_an_answer_that_could_not_be_delivered_says_so_instead() -> None:
    big = answer(200, {"items": ["x" * 60_000] * 100})

    assert big.status_code == 413
    assert json.loads(big.body or "")["code"] == "payload_too_large"
    assert "limit" in json.loads(big.body or "")["detail"]
