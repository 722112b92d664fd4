"""Cases of templates run to the end that the answers lead to."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from opscore.workflows.checks import check
from opscore.workflows.findings import Report
from opscore_trial.casefile import read_cases
from opscore_trial.compiled import Compiled
from opscore_trial.trial import Course, run_case
from opscore_trial.verdict import faults

TRIP = """
id: trip
name: A trip
timeout: 3d
tasks:
  - taskId: book
    agentCapability: travel.book
    parameters: {to: "{% $input.to %}"}
    heartbeat: 60s
    retry: {maxRetries: 2, interval: 10s, jitter: none}
    fallback: {agentId: clerk, retry: {maxRetries: 0}}
    compensate: {agentCapability: travel.cancel, parameters: {id: "{% $tasks.book.id %}"}}
  - {taskId: approve, approval: {prompt: "{% 'Go to ' & $input.to & '?' %}", timeout: 24h}}
  - {taskId: paid, signal: {name: payment, timeout: 1h}, compensate: {agentId: bank}}
  - taskId: each
    map:
      items: "{% $input.legs %}"
      tasks: [{taskId: ticket, agentCapability: t, parameters: {leg: "{% $item %}"}}]
  - {taskId: report, workflow: {id: reporting, input: {of: "{% $tasks.each %}"}}}
onFailure:
  - {taskId: page, agentCapability: notify, parameters: {why: "{% $error %}"}}
"""

USUAL = """
book: {result: {id: 5}}
approve: {approved: {by: ann, comment: fine}}
paid: {result: {by: card}}
ticket: {result: T}
report: {result: {ok: true}}
book (compensate): {result: null}
paid (compensate): {result: null}
page: {result: null}
"""

COMPILED = Compiled.of(check(TRIP).require())


def run(answers: str = "{}", expect: str = "{}") -> tuple[Course, list[str]]:
    """One case with the usual answers but these; its course, and what is not as expected."""
    text = (
        "answers:\n" + _indented(USUAL)
        + "cases:\n- name: a case\n  input: {to: Rome, legs: [a, b]}\n  answers:\n"
        + _indented(dedent(answers), 4) + "  expect:\n" + _indented(dedent(expect), 4)
    )  # fmt: skip
    report = Report()
    [case] = read_cases(text.encode(), COMPILED, report)
    assert report.errors == []
    course = run_case(COMPILED, case)
    return course, [f"{fault.place.line} {fault.message}" for fault in faults(case, course)]


def _indented(text: str, width: int = 2) -> str:
    return "".join(f"{' ' * width}{line}\n" for line in text.strip().splitlines())


def asked(course: Course) -> list[str]:
    return [one.label for one in course.asked]


def sent(course: Course, task: str) -> list[Any]:
    return [one.content for one in course.asked if one.message.task_id == task]


def test_answers_lead_through_every_kind_of_step() -> None:
    course, said = run()

    assert (course.status, course.result, said) == ("completed", {"ok": True}, [])
    assert asked(course) == ["book", "approve", "paid", "ticket@0", "ticket@1", "report"]
    assert sent(course, "approve") == ["Go to Rome?"]
    assert sent(course, "report") == [{"of": ["T", "T"]}]
    assert list(course.path) == ["book", "approve", "paid", "each", "ticket", "ticket", "report"]
    assert (course.seconds, course.retries, course.afterwards) == (5, 0, ())


def test_attempts_are_answered_in_turn_and_the_last_answer_repeats() -> None:
    course, _ = run("book: [{error: AgentError}, {result: {id: 6}}]\nticket@1: {result: U}")
    again, _ = run("book: [{error: E}, {error: {code: F, message: f}}]")

    assert asked(course)[:3] == ["book", "book", "approve"]
    assert course.retries == 1
    assert sent(course, "report") == [{"of": ["T", "U"]}]
    assert asked(again) == ["book", "book", "book", "book (fallback)"]
    assert again.error == {"code": "F", "message": "f"}


def test_silence_lasts_as_long_as_the_task_may_be_silent() -> None:
    unheard, _ = run("book: {silent: true}\nbook (fallback): {result: {id: 1}}")
    nobody, _ = run("approve: {silent: true}")
    late, _ = run("paid: {result: {by: card}, after: 2h}")

    assert [one.outcome and one.outcome.error_code for one in unheard.asked[:4]] == [
        "HeartbeatTimeout", "HeartbeatTimeout", "HeartbeatTimeout", None,
    ]  # fmt: skip
    assert unheard.status == "completed"
    assert nobody.error == {
        "code": "Timeout",
        "message": "nobody approved or rejected within 86400 s",
    }
    assert nobody.seconds == 1 + 24 * 3600
    assert late.error == {"code": "Timeout", "message": "no signal 'payment' came within 3600 s"}


def test_a_rejection_says_why() -> None:
    course, _ = run("approve: {rejected: too far}")

    assert course.error == {"code": "Rejected", "message": "too far"}


def test_a_session_runs_out_of_time() -> None:
    course, _ = run("book: {result: {id: 5}, after: 9m}\nreport: {silent: true}")

    assert course.error is not None
    assert course.error["code"] == "Timeout"


def test_after_a_bad_end_what_was_done_is_undone_and_told() -> None:
    course, said = run(
        "report: {error: {code: NoReport, message: sorry}}",
        "afterwards: [paid (compensate), book (compensate), page]",
    )

    assert said == []
    undone = {one.message.task_id: one.content for one in course.afterwards}
    assert undone["book (compensate)"] == {"id": 5}
    assert undone["page"] == {"why": {"code": "NoReport", "message": "sorry", "taskId": "report"}}
    assert len(course.afterwards_path) > 3


def test_only_what_was_done_is_undone() -> None:
    course, _ = run("paid: {silent: true}\npage: {error: Broken}")

    assert [one.label for one in course.afterwards] == ["book (compensate)"] + ["page"] * 4
    assert course.error is not None
    assert course.error["code"] == "Timeout"


def outcomes(template: str, case: str) -> tuple[Course, list[tuple[str, str | None]]]:
    """A case of another template: its course, and what was asked with its error."""
    compiled, report = Compiled.of(check(dedent(template)).require()), Report()
    [read] = read_cases(f"cases: [{{name: a, {case}}}]".encode(), compiled, report)
    assert report.errors == []
    course = run_case(compiled, read)
    return course, [
        (one.label, one.outcome.error_code if one.outcome else None) for one in course.asked
    ]


def test_a_result_is_held_against_its_schema() -> None:
    course, tried = outcomes(
        """
        id: strict
        name: Strict
        tasks:
          - taskId: a
            agentId: a
            resultSchema: {type: object, required: [ok]}
            retry: {errors: [InvalidResult], maxRetries: 1}
        """,
        "answers: {a: [{result: 5}, {result: {ok: 1}}]}",
    )

    assert tried == [("a", "InvalidResult"), ("a", None)]
    assert course.result == {"ok": 1}


def test_an_input_is_held_against_its_schema() -> None:
    course, tried = outcomes(
        """
        id: strict
        name: Strict
        input: {type: object, required: [text]}
        tasks: [{taskId: a, agentId: a}]
        """,
        "input: {txt: hello}",
    )

    assert tried == []
    assert course.broken is not None
    assert course.broken.startswith("no session can be started with this: input: ")


def test_a_message_that_nobody_could_read_breaks_the_case_off() -> None:
    course, _ = outcomes(
        """
        id: urgent
        name: Urgent
        tasks: [{taskId: a, agentId: a, priority: "{% $input.priority %}"}]
        """,
        "input: {priority: 12}, answers: {a: {result: 1}}",
    )

    assert course.broken is not None
    assert course.broken.startswith("Ops-Core can't read what asks for a: priority: ")


def test_a_task_without_an_answer_breaks_the_case_off() -> None:
    report = Report()
    [case] = read_cases(b"cases: [{name: a, input: {to: Rome}}]", COMPILED, report)

    course = run_case(COMPILED, case)

    assert [fault.message for fault in faults(case, course)] == [
        "book was asked for, and the case has no answer for it"
    ]


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("result: {ok: true}", []),
        ("result: {ok: 1}", ["result.ok is true, not 1"]),
        ("result: []", ['result is {"ok": true}, not []']),
        ("error: Timeout", ["the session completed, and should have failed"]),
        ("sent: {report: {of: [T, U]}}", ['sent to report.of[1] is "T", not "U"']),
        ("sent: {ticket: [{leg: a}, {leg: b}], approve: Go to Rome?, paid: payment}", []),
        ("sent: {page: {}}", ["page was never asked for"]),
        ("asked: [book, approve, paid, ticket, ticket@1, report]", []),
        (
            "asked: [book, approve]",
            ["asked is [book, approve, paid, ticket@0, ticket@1, report], not [book, approve]"],
        ),
        (
            "path: [book]",
            ["path is [book, approve, paid, each, ticket, ticket, report], not [book]"],
        ),
    ],
)  # fmt: skip
def test_what_is_not_as_expected_is_told(expect: str, said: list[str]) -> None:
    _, found = run(expect=expect)

    assert [fault.split(" ", 1)[1] for fault in found] == said


def test_a_session_that_should_have_completed_tells_why_it_failed() -> None:
    _, said = run("approve: {rejected: too far}", "result: {ok: true}")
    _, other = run("approve: {rejected: too far}", "error: {code: Rejected, message: no}")

    assert said == ["16 the session failed, and should have completed: Rejected: too far"]
    assert other == ['16 error.message is "too far", not "no"']
