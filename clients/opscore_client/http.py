"""One place for requests: address, key, time limits, retries, and errors as Ops-Core's own."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

import requests
from requests.auth import AuthBase

from opscore_client.errors import AnswerError, UnreachableError, api_error
from opscore_client.types import JsonObject

PREFIX: Final = "/v1/opscore"
_AGAIN: Final = frozenset({429, 502, 503, 504})
_IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE"})


@dataclass(frozen=True)
class Timeouts:
    """Seconds to connect and to wait for each answer."""

    connect: float = 5.0
    answer: float = 30.0


@dataclass(frozen=True)
class Backoff:
    """Full-jitter waits between tries: up to `base` * 2**n seconds, never more than `cap`."""

    tries: int = 4
    base: float = 0.25
    cap: float = 10.0

    def wait(self, tried: int, retry_after: str | None) -> float:
        """Seconds before the next try; the server's own wish, where it gives one, goes first."""
        if retry_after is not None and retry_after.isdecimal():
            return min(float(retry_after), self.cap)
        # Not a secret: jitter only keeps clients from coming back all at once.
        return random.uniform(0, min(self.cap, self.base * 2.0**tried))  # noqa: S311 (jitter)


class _Bearer(AuthBase):
    """Puts the key on a request. As `auth`, so that a .netrc cannot replace it."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class Http:
    """The API under one base URL, which may have a path and a trailing slash."""

    def __init__(
        self,
        base_url: str,
        key: str | None,
        *,
        session: requests.Session | None = None,
        timeouts: Timeouts | None = None,
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(base_url)
        extras = parts.username or parts.query or parts.fragment
        if parts.scheme not in {"http", "https"} or not parts.hostname or extras:
            # Without quoting it: people do put passwords into URLs.
            raise ValueError("the base URL must be http(s)://host[:port][/path]")
        self.base_url = base_url.rstrip("/")
        self._auth = _Bearer(key) if key else None
        self._session = session or requests.Session()
        self._timeouts = timeouts or Timeouts()
        self._backoff = backoff or Backoff()
        self._sleep = sleep

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | None] | None = None,
        json: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
    ) -> JsonObject:
        """Send one request and return its JSON object; `params` that are None are left out.

        Idempotent calls (by method, or as said) are tried again on 429, 502, 503, 504 and
        when no answer came. Raises OpsCoreError.
        """
        safe = method in _IDEMPOTENT if idempotent is None else idempotent
        tries = self._backoff.tries if safe else 1
        for tried in range(tries):
            last = tried == tries - 1
            try:
                answer = self._send(method, path, params, json, data, headers)
            except UnreachableError:
                if last:
                    raise
                self._sleep(self._backoff.wait(tried, None))
                continue
            if last or answer.status_code not in _AGAIN:
                break
            self._sleep(self._backoff.wait(tried, answer.headers.get("Retry-After")))
        return _parsed(answer)

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int | None] | None,
        json: Any,
        data: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> requests.Response:
        with _mapped(self.base_url):
            return self._session.request(
                method,
                self.base_url + path,
                params=params,
                json=json,
                data=data,
                headers=headers,
                auth=self._auth,
                timeout=(self._timeouts.connect, self._timeouts.answer),
                # The API never redirects; whoever does shall not be handed the key.
                allow_redirects=False,
            )


def route(*segments: str) -> str:
    """A path under the API's prefix; ids may hold any character, so each segment is quoted."""
    return "/".join([PREFIX, *(quote(segment, safe="") for segment in segments)])


@contextmanager
def _mapped(base_url: str) -> Iterator[None]:
    """Turn every error of requests into ours; none of their texts, which may quote headers."""
    try:
        yield
    except requests.Timeout as error:
        raise UnreachableError(f"no answer in time from {base_url}") from error
    except requests.ConnectionError as error:
        raise UnreachableError(f"cannot reach {base_url}") from error
    except requests.RequestException as error:
        raise UnreachableError(f"{type(error).__name__} talking to {base_url}") from error


def _parsed(answer: requests.Response) -> JsonObject:
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        body = None
    if not answer.ok or answer.is_redirect:
        raise _error(answer, body)
    if not isinstance(body, dict):
        raise AnswerError(f"{answer.status_code} without a JSON object; is the URL Ops-Core's?")
    return body


def _error(answer: requests.Response, body: Any) -> Exception:
    """Read `detail` and `code`; API Gateway's own refusals carry only a `message`."""
    fields = body if isinstance(body, dict) else {}
    detail = fields.get("detail", fields.get("message")) or answer.reason or "no detail"
    return api_error(answer.status_code, str(fields.get("code", "no_code")), detail)
