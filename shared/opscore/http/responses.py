"""The one table from errors to answers."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response, content_types

from opscore import errors
from opscore.records.codec import text

STATUS: dict[type[errors.OpsCoreError], HTTPStatus] = {
    errors.InvalidRequest: HTTPStatus.BAD_REQUEST,
    errors.Malformed: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.InvalidTransition: HTTPStatus.CONFLICT,
    errors.InputInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.WorkflowInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Contended: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DependencyFailed: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.SettingError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.OpsCoreError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The nearest ancestor counts."""

MAX_ANSWER_BYTES = 5_500_000
"""Lambda hands API Gateway at most 6 MB, in which quotes are escaped; beyond it the caller would
get a 5xx that says nothing."""

RETRY_AFTER_SECONDS = "1"


def status_of(error: errors.OpsCoreError) -> HTTPStatus:
    """The status that an error is answered with."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Response[str]:
    """A JSON answer; one that is too large to be delivered says so instead."""
    written = text(body)
    if len(json.dumps(written)) > MAX_ANSWER_BYTES:
        too_large = "the answer is too large to be delivered; ask for fewer items with ?limit="
        return error_answer(errors.PayloadTooLarge(too_large))
    return Response(
        status_code=status,
        content_type=content_types.APPLICATION_JSON,
        body=written,
        headers=dict(headers or {}),
    )


def error_answer(error: errors.OpsCoreError) -> Response[str]:
    """What the caller is told of an error; how the inside failed is for the log alone."""
    status = status_of(error)
    detail: Any = error.detail
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        detail = "The request could not be served; the log has the reason."
    headers = {}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    return answer(status, {"detail": detail, "code": error.code}, headers)
