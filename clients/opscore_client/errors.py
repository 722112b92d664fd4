"""What can go wrong when talking to Ops-Core.

OpsCoreError
├── UnreachableError        no answer: refused, timed out, broken off
├── AnswerError             an answer that is not Ops-Core's JSON
├── StillRunningError       a session did not end within the time given to a watch
└── ApiError                an answer with an error status
├── InvalidRequestError     400, 413, 422
├── NotAllowedError         401, 403
├── NotFoundError           404
├── ConflictError           409
├── ThrottledError          429
└── ServerError             5xx
"""

from typing import Any


class OpsCoreError(Exception):
    """Base of everything this client raises, so that callers can catch one thing."""


class UnreachableError(OpsCoreError):
    """No answer came; whether the request took effect is not known."""


class AnswerError(OpsCoreError):
    """The answer was not the JSON object that the API promises (a proxy's page, for example)."""


class StillRunningError(OpsCoreError):
    """A watched session had not ended within the caller's time."""


class ApiError(OpsCoreError):
    """An error status: `status` (HTTP), `code` (stable), `detail` (text or list of findings)."""

    def __init__(self, status: int, code: str, detail: Any) -> None:
        super().__init__(status, code, detail)
        self.status = status
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{summary(self.detail)} ({self.status} {self.code})"


class InvalidRequestError(ApiError):
    """The request does not fit the API, or its template does not validate."""


class NotAllowedError(ApiError):
    """No key, an unknown key, or one whose scope does not reach this route."""


class NotFoundError(ApiError):
    """There is nothing under that id."""


class ConflictError(ApiError):
    """What is there does not allow this any more, such as ending a session twice."""


class ThrottledError(ApiError):
    """Too many requests, also after the retries."""


class ServerError(ApiError):
    """Ops-Core failed, also after the retries."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequestError,
    401: NotAllowedError,
    403: NotAllowedError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidRequestError,
    422: InvalidRequestError,
    429: ThrottledError,
}


def api_error(status: int, code: str, detail: Any) -> ApiError:
    """Choose the class for a status; 5xx share one, anything unforeseen is a plain ApiError."""
    fallback = ServerError if status >= 500 else ApiError
    return _BY_STATUS.get(status, fallback)(status, code, detail)


def summary(detail: Any) -> str:
    """One line for people from a `detail`, which is text or a list of texts or findings."""
    if isinstance(detail, list):
        return "; ".join(summary(item) for item in detail)
    if isinstance(detail, dict):
        message = str(detail.get("message") or detail.get("msg") or detail)
        where = detail.get("path") or detail.get("loc")
        place = ".".join(map(str, where)) if isinstance(where, list) else str(where or "")
        return f"{place}: {message}" if place else message
    return str(detail)
