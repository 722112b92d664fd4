"""Cases of templates for people: a line as each is done, and the course of those that failed."""

import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.text import Text

from opscore.workflows.price import dollars_per_thousand
from opscore_cli.present import printable
from opscore_cli.times import duration
from opscore_trial.files import Outcome, Suite
from opscore_trial.fleet import Asked, labels
from opscore_trial.trial import Course
from opscore_trial.verdict import reason, shown


class TrialView:
    """Runs the cases of suites and shows them, or makes documents of them."""

    def __init__(self, console: Console, *, details: bool) -> None:
        self._console = console
        self._details = details

    def show(self, suite: Suite) -> dict[str, Any]:
        """Run a suite, with a line for each case as soon as it is done."""
        self._line(Text(printable(str(suite.path)), style="bold"))
        width = max((len(printable(case.name)) for case in suite.cases), default=0)
        done: list[Outcome] = []
        for outcome in suite.run():
            done.append(outcome)
            self._show_case(suite, outcome, width)
        return _document(suite, done)

    def document(self, suite: Suite) -> dict[str, Any]:
        """Run a suite and tell programs what came of it."""
        return _document(suite, list(suite.run()))

    def _show_case(self, suite: Suite, outcome: Outcome, width: int) -> None:
        course = outcome.course
        word = Text("ok    ", style="green") if outcome.passed else Text("FAILED", style="red")
        name = printable(outcome.case.name).ljust(width)
        end = course.status if course.error is None else f"{course.status}: {course.error['code']}"
        parts = (end, duration(timedelta(seconds=course.seconds)), price(course))
        self._line(Text("  ").append(word).append(f"  {name}  {', '.join(map(printable, parts))}"))
        for fault in outcome.faults:
            place = f"{suite.path}:{fault.place.line}:{fault.place.column}"
            self._line(Text(f"          {place} {printable(fault.message)}", style="red"))
        if self._details or not outcome.passed:
            for name, said in _details(course):
                self._line(Text(f"          {name.ljust(10)} {printable(said)}"))

    def _line(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)
        sys.stdout.flush()


def price(course: Course) -> str:
    """What Step Functions bills for the case, and what a thousand such sessions cost."""
    billed = f"{_count(_entered(course), 'state', 'states')} entered"
    if course.retries:
        billed += f" and {_count(course.retries, 'retry', 'retries')}"
    return f"{billed}, ${_dollars(course):.2f} per 1,000"


def _entered(course: Course) -> int:
    return len(course.path) + len(course.afterwards_path)


def _dollars(course: Course) -> float:
    answers = len(course.asked) + len(course.afterwards)
    return dollars_per_thousand(_entered(course) + course.retries, answers)


def _details(course: Course) -> Iterator[tuple[str, str]]:
    yield "asked", _labels(course.asked)
    yield "path", " > ".join(course.path)
    if course.status == "completed":
        yield "result", shown(course.result)
    elif course.error is not None:
        yield "error", reason(course)
    if course.afterwards_path:
        yield "afterwards", _labels(course.afterwards)


def _labels(asked: Sequence[Asked]) -> str:
    runs = ((label, len(list(same))) for label, same in groupby(labels(asked)))
    return ", ".join(label if times == 1 else f"{label} x{times}" for label, times in runs)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _document(suite: Suite, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "file": str(suite.template),
        "caseFile": str(suite.path),
        "passed": all(outcome.passed for outcome in outcomes),
        "cases": [_case(outcome) for outcome in outcomes],
    }


def _case(outcome: Outcome) -> dict[str, Any]:
    course = outcome.course
    return {
        "name": outcome.case.name,
        "passed": outcome.passed,
        "faults": [
            {
                "message": fault.message,
                "path": fault.place.path,
                "line": fault.place.line,
                "column": fault.place.column,
            }
            for fault in outcome.faults
        ],
        "status": course.status,
        "result": course.result,
        "error": course.error,
        "asked": [_asked(one) for one in course.asked],
        "afterwards": [_asked(one) for one in course.afterwards],
        "path": list(course.path),
        "afterwardsPath": list(course.afterwards_path),
        "statesEntered": _entered(course),
        "retries": course.retries,
        "dollarsPer1000": round(_dollars(course), 4),
        "seconds": course.seconds,
    }


def _asked(one: Asked) -> dict[str, Any]:
    outcome = one.outcome
    failed = outcome is not None and outcome.error_code is not None
    return {
        "task": one.label,
        "kind": one.message.kind,
        "retry": one.message.retry,
        "sent": one.content,
        "atSeconds": one.at,
        "result": outcome.result if outcome and not failed else None,
        "error": {"code": outcome.error_code, "message": outcome.message}
        if outcome and failed
        else None,
    }
