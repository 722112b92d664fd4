"""What a case file may say, and what is said of one that says something else."""

from __future__ import annotations

from textwrap import dedent

import pytest

from opscore.workflows.checks import check
from opscore.workflows.findings import Report
from opscore_trial.casefile import read_cases
from opscore_trial.cases import Answer, Case, Fails, Gives, Says, Silent
from opscore_trial.compiled import Compiled

TEMPLATE = """
id: triage
name: Triage
tasks:
  - {taskId: classify, agentCapability: c, compensate: {agentId: a}, fallback: {agentId: b}}
  - taskId: each
    map: {items: [1, 2], tasks: [{taskId: fix@2, agentCapability: c}]}
  - {taskId: approve, approval: "Go on?"}
onFailure:
  - {taskId: page, agentCapability: c}
"""

COMPILED = Compiled.of(check(TEMPLATE).require())


def read(text: str) -> tuple[tuple[Case, ...], list[str]]:
    report = Report()
    cases = read_cases(dedent(text).encode(), COMPILED, report)
    return cases, [
        f"{found.line}:{found.column} {found.code} {found.message}"
        + (f" ({found.hint})" if found.hint else "")
        for found in sorted(report.errors, key=lambda found: (found.line or 0, found.column or 0))
    ]


def test_every_kind_of_answer_is_read() -> None:
    [case], faults = read(
        """\
        answers: {page: {result: null}, classify: {result: 0}}
        cases:
          - name: all of them
            input: {text: "{% not evaluated %}"}
            agentId: agent-7
            answers:
              classify:
                - {error: Busy}
                - {error: {code: Busy, message: very}}
                - {silent: true}
                - {result: {a: ["{% x %}"]}, after: 5m}
              approve: [{approved: true}, {approved: {by: ann}}, {rejected: no}, {rejected: true}]
              fix@2: {result: 1}
              fix@2@0: {result: 2}
              classify (fallback): {result: 3}
              classify (compensate): {result: 4}
        """
    )

    assert faults == []
    assert (case.name, case.input, case.agent_id) == (
        "all of them", {"text": "{% not evaluated %}"}, "agent-7",
    )  # fmt: skip
    assert case.answers == {
        "page": (Answer(Gives(None)),),
        "classify": (
            Answer(Fails("Busy", "")),
            Answer(Fails("Busy", "very")),
            Answer(Silent()),
            Answer(Gives({"a": ["{% x %}"]}), after=300),
        ),
        "approve": (
            Answer(Says(approved=True)),
            Answer(Says(approved=True, by="ann")),
            Answer(Says(approved=False, comment="no")),
            Answer(Says(approved=False)),
        ),
        "fix@2": (Answer(Gives(1)),),
        "fix@2@0": (Answer(Gives(2)),),
        "classify (fallback)": (Answer(Gives(3)),),
        "classify (compensate)": (Answer(Gives(4)),),
    }


@pytest.mark.parametrize(
    ("expect", "status"),
    [
        ("{}", "completed"),
        ("{result: null}", "completed"),
        ("{error: Timeout}", "failed"),
        ("{afterwards: [page]}", "failed"),
        ("{status: failed}", "failed"),
    ],
)
def test_a_case_is_to_complete_unless_it_says_otherwise(expect: str, status: str) -> None:
    [case], faults = read(f"cases: [{{name: a, expect: {expect}}}]")

    assert (case.expected.status.value, faults) == (status, [])


def test_everything_wrong_is_found_with_its_place() -> None:
    _, faults = read(
        """\
        case: []
        answers:
          clasify: {result: 1}
        cases:
          - name: a
            answers:
              classify: {result: 1, error: E}
              approve: {}
              page: {approved: true}
              each: {result: 1}
              fix@2: []
            expect: {status: done, asked: [classify, aprove], path: [clasify], errors: E}
          - name: a
            answers: {classify: {silent: false}, page: {error: States.Timeout}, approve: {result: 1, after: soon}}
          - input: {}
        """  # noqa: E501  # a line of the file under test
    )

    neither = "an answer is one of result, error, silent, approved, rejected"
    assert faults == [
        "1:1 OC011 there is no field 'case' here (did you mean 'cases'?)",
        "3:3 OC012 the template asks nobody for a task 'clasify' (did you mean 'classify'?)",
        f"7:17 OC018 {neither}, not result and error",
        f"8:16 OC018 {neither}, and has none of them",
        "9:24 OC014 approved answers an approval, and this is a task",
        "10:7 OC012 the template asks nobody for a task 'each'",
        "11:14 OC014 an empty list answers nothing",
        "12:22 OC014 status is completed or failed",
        "12:46 OC012 the template asks nobody for a task 'aprove' (did you mean 'approve'?)",
        "12:62 OC012 there is no state 'clasify' (did you mean 'classify'?)",
        "12:72 OC011 there is no field 'errors' here (did you mean 'error'?)",
        "13:5 OC017 there is a case 'a' already",
        "14:34 OC014 silent is true, or not there",
        "14:56 OC014 'States.Timeout' is no error name (a letter, then letters, digits and . _ -)",
        "14:101 OC015 'soon' is no duration (write 30s, 5m, 2h, 1d or ISO 8601, in whole seconds)",
        "15:5 OC010 field 'name' is missing",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the template must be an object, not null"),
        ("cases: 5", "cases must be a list, not a number"),
        ("{", "neither YAML nor JSON"),
        ("answers: {}", "field 'cases' is missing"),
    ],
)
def test_what_is_no_case_file_is_refused(text: str, said: str) -> None:
    cases, faults = read(text)

    assert cases == ()
    assert [said in fault for fault in faults] == [True]
