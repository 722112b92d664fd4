"""What of a case's course is not as its file expects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from opscore.workflows.findings import Place
from opscore_trial.cases import Case, Wanted
from opscore_trial.fleet import Asked, labels
from opscore_trial.labels import names
from opscore_trial.trial import Course

_LONGEST = 120


@dataclass(frozen=True)
class Fault:
    """One expectation that was not met, and where the file states it."""

    message: str
    place: Place


def faults(case: Case, course: Course) -> list[Fault]:
    """Everything that is not as expected; empty if the case passes."""
    if course.broken is not None:
        return [Fault(course.broken, case.place)]
    return list(_faults(case, course))


def _faults(case: Case, course: Course) -> Iterator[Fault]:
    expected = case.expected
    if course.status != expected.status.value:
        why = f": {reason(course)}" if course.error else ""
        message = f"the session {course.status}, and should have {expected.status.value}{why}"
        yield Fault(message, expected.status.place)
    elif expected.result is not None and course.status == "completed":
        yield from _differing("result", course.result, expected.result)
    if expected.error is not None and course.error is not None:
        told = {key: course.error[key] for key in expected.error.value}
        yield from _differing("error", told, expected.error)
    if expected.asked is not None:
        yield from _differing_order("asked", course.asked, expected.asked)
    if expected.afterwards is not None:
        yield from _differing_order("afterwards", course.afterwards, expected.afterwards)
    if expected.path is not None and list(course.path) != expected.path.value:
        message = f"path is {_list(course.path)}, not {_list(expected.path.value)}"
        yield Fault(message, expected.path.place)
    for name, wanted in (expected.sent or {}).items():
        yield from _sent(name, wanted, [*course.asked, *course.afterwards])


def _sent(name: str, wanted: Wanted, asked: Sequence[Asked]) -> Iterator[Fault]:
    found = [one.content for one in asked if name in names(one.message)]
    if not found:
        yield Fault(f"{name} was never asked for", wanted.place)
    elif isinstance(wanted.value, list):
        yield from _differing(f"sent to {name}", found, wanted)
    else:
        for value in found:
            yield from _differing(f"sent to {name}", value, wanted)


def _differing_order(what: str, asked: Sequence[Asked], wanted: Wanted) -> Iterator[Fault]:
    met = len(asked) == len(wanted.value) and all(
        name in names(one.message) for one, name in zip(asked, wanted.value, strict=True)
    )
    if not met:
        found = _list(labels(asked))
        yield Fault(f"{what} is {found}, not {_list(wanted.value)}", wanted.place)


def _differing(what: str, found: Any, wanted: Wanted) -> Iterator[Fault]:
    if (said := _difference(what, found, wanted.value)) is not None:
        yield Fault(said, wanted.place)


def _difference(what: str, found: Any, wanted: Any) -> str | None:
    """The first part of two values that differs, and how."""
    match found, wanted:
        case dict(), dict() if found.keys() == wanted.keys():
            parts = ((f"{what}.{key}", found[key], wanted[key]) for key in wanted)
        case list(), list() if len(found) == len(wanted):
            parts = (
                (f"{what}[{index}]", *pair)
                for index, pair in enumerate(zip(found, wanted, strict=True))
            )
        case _:
            same = found == wanted and isinstance(found, bool) == isinstance(wanted, bool)
            return None if same else f"{what} is {shown(found)}, not {shown(wanted)}"
    return next((said for part in parts if (said := _difference(*part))), None)


def reason(course: Course) -> str:
    """A session's error as `code: message`."""
    error = course.error or {"code": "-", "message": ""}
    return f"{error['code']}: {error['message']}" if error["message"] else error["code"]


def shown(value: Any) -> str:
    """A value in one line of bounded length."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _list(found: Sequence[str]) -> str:
    return f"[{', '.join(found)}]"
