"""Routes, answered: the resolver of a function with Ops-Core's error answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from opscore.errors import OpsCoreError
from opscore.http.responses import answer, error_answer, status_of
from opscore.observability import Handler, fault, instrumented, logger, note

Resolver = APIGatewayHttpResolver


def http_handler(add_routes: Callable[[Resolver], None]) -> Handler:
    """The Lambda handler of a function that serves those routes; made at its first call."""

    @cache
    def resolver() -> Resolver:
        app = APIGatewayHttpResolver()
        app.exception_handler(OpsCoreError)(_ours)
        app.exception_handler(Exception)(_unforeseen)
        app.not_found(_no_route)
        add_routes(app)
        return app

    @instrumented
    def handler(event: dict[str, Any], context: Any) -> Any:
        result = resolver().resolve(event, context)
        note("answered", route=event.get("routeKey"), status=result["statusCode"])
        return result

    return handler


def _ours(error: OpsCoreError) -> Response[str]:
    if status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger().exception("request failed", extra={"code": error.code})
    return error_answer(error)


def _unforeseen(error: Exception) -> Response[str]:
    fault("request failed", error)
    return error_answer(OpsCoreError("unforeseen"))


def _no_route(_: NotFoundError) -> Response[str]:
    return answer(HTTPStatus.NOT_FOUND, {"detail": "No such route", "code": "route_not_found"})
