"""One POST and what it tells about delivery; requests' errors mapped in one place."""

from __future__ import annotations

from typing import Any

import requests
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from opscore.ports import Delivered

CONNECT_TIMEOUT_SECONDS = 3


def post(
    session: requests.Session, url: str, body: dict[str, Any], timeout_seconds: float
) -> int | Delivered:
    """The status that the request was answered with, or what its failure means.

    No redirects: an answer from elsewhere is not the agent's.
    """
    timeout = (min(CONNECT_TIMEOUT_SECONDS, timeout_seconds), timeout_seconds)
    try:
        with session.post(
            url, json=body, timeout=timeout, allow_redirects=False, stream=True
        ) as response:
            return response.status_code
    except requests.RequestException as error:
        return failure(error)


def failure(error: requests.RequestException) -> Delivered:
    """Whether bytes may have gone out before the error: only then may someone have the task."""
    match error:
        case requests.ConnectTimeout() | requests.exceptions.SSLError():
            return Delivered.NOT_SENT
        case requests.exceptions.ProxyError():
            return Delivered.NOT_SENT
        case requests.ConnectionError() if _never_connected(error):
            return Delivered.NOT_SENT
        case (
            requests.exceptions.InvalidURL()
            | requests.exceptions.MissingSchema()
            | requests.exceptions.InvalidSchema()
        ):
            return Delivered.GONE
        case _:
            return Delivered.UNANSWERED


def _never_connected(error: requests.ConnectionError) -> bool:
    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    return isinstance(cause, NewConnectionError | ConnectTimeoutError)
