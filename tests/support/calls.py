"""The calls that functions make, of AWS and over HTTP: seen as they happen, and cut off.

Every AWS client of the process passes here, whoever made it, and every request of `requests`; so a
call that is added to the code is seen without a word in a test.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import groupby
from typing import Any

import responses
from botocore.handlers import BUILTIN_HANDLERS
from requests import PreparedRequest

AwsAnswer = Callable[[str, dict[str, Any]], tuple[Any, dict[str, Any]]]
"""An operation and its input, to an HTTP answer (with `status_code`) and its parsed body."""

HttpAnswer = Callable[[PreparedRequest], tuple[int, dict[str, str], str]]

_READS = ("BatchGet", "Describe", "Get", "Head", "List", "Query", "GET")
"""What the calls that change nothing begin with."""


_ANY_URL = re.compile(".*")


class Crash(BaseException):
    """The process ended here."""


class Moment(Enum):
    """Where in a call the process ends."""

    BEFORE = auto()
    AFTER = auto()
    """It was carried out, and its answer never seen."""


@dataclass(frozen=True)
class Call:
    """A call: its number, which invocation of what function made it, and of what."""

    number: int
    invocation: int
    function: str
    name: str

    @property
    def reads(self) -> bool:
        return self.name.split(" ")[-1].startswith(_READS)


def _order(call: Call) -> tuple[int, int]:
    return call.invocation, call.number


@dataclass(frozen=True)
class CrashPoint:
    """A place between two calls."""

    call: Call
    moment: Moment

    def __str__(self) -> str:
        return (
            f"{self.moment.name.lower()} {self.call.number} {self.call.function}: {self.call.name}"
        )


@dataclass
class Calls:
    """What was called while functions ran; and where the process is to end."""

    made: list[Call] = field(default_factory=list)
    crash_at: CrashPoint | None = None
    crashed: Call | None = None
    _running: list[tuple[str, int]] = field(default_factory=list)
    _open: list[Call] = field(default_factory=list)
    _invocations: int = 0
    _thread: int = field(default_factory=threading.get_ident)

    @contextmanager
    def of(self, function: str) -> Iterator[None]:
        """While the block runs, calls are this function's."""
        self._invocations += 1
        self._running.append((function, self._invocations))
        open_before = len(self._open)
        try:
            yield
        finally:
            self._running.pop()
            del self._open[open_before:]

    def names(self) -> list[str]:
        return [call.name for call in self.made]

    def points(self) -> list[CrashPoint]:
        """The places where a crash makes a difference: before the first call of an invocation, and
        after each call that is not known to change nothing. All others, before and after each
        call, leave the same behind as one of these.

        Of invocations that make the same calls one after the other, the first is enough.
        """
        points, seen = [], set()
        for _, group in groupby(sorted(self.made, key=_order), key=lambda call: call.invocation):
            calls = list(group)
            way = (calls[0].function, *(call.name for call in calls))
            if way in seen:
                continue
            seen.add(way)
            points.append(CrashPoint(calls[0], Moment.BEFORE))
            points += [CrashPoint(call, Moment.AFTER) for call in calls if not call.reads]
        return points

    def before(self, name: str) -> None:
        if not self._running or threading.get_ident() != self._thread:
            return
        function, invocation = self._running[-1]
        call = Call(len(self.made), invocation, function, name)
        self.made.append(call)
        self._open.append(call)
        self._end_at(call, Moment.BEFORE)

    def after(self) -> None:
        if self._running and threading.get_ident() == self._thread:
            self._end_at(self._open.pop(), Moment.AFTER)

    def _end_at(self, call: Call, moment: Moment) -> None:
        point = self.crash_at
        if point is None or self.crashed is not None or point.moment is not moment:
            return
        if point.call.number == call.number:
            assert call == point.call, f"another call than the first time: {call}, {point.call}"
            self.crashed = call
            raise Crash(str(point))


@contextmanager
def watching(
    calls: Callable[[], Calls], http: HttpAnswer, aws: dict[str, AwsAnswer] | None = None
) -> Iterator[None]:
    """Watch the calls of every AWS client made from now on, and answer HTTP requests in process.

    `calls`: asked at each call. `aws`: services that are answered here instead of being sent, by
    botocore's service id.
    """
    answers = aws or {}

    def before(model: Any, params: dict[str, Any], **_: Any) -> Any:
        service = model.service_model.service_id.hyphenize()
        calls().before(f"{service} {model.name}")
        if service in answers:
            return answers[service](model.name, json.loads(params["body"]))
        return None

    def after(**_: Any) -> None:
        calls().after()

    def request(sent: PreparedRequest) -> tuple[int, dict[str, str], str]:
        calls().before(f"http {sent.method}")
        answer = http(sent)
        calls().after()
        return answer

    handlers: list[Any] = [("before-call", before), ("after-call", after)]
    BUILTIN_HANDLERS.extend(handlers)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as web:
        for method in ("GET", "POST"):
            web.add_callback(method, _ANY_URL, callback=request)
        try:
            yield
        finally:
            for handler in handlers:
                BUILTIN_HANDLERS.remove(handler)
