"""What runs after a session that ended badly: compensations, the last first, then handlers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from opscore.workflows.checks import check
from opscore.workflows.compiler import compile_cleanup
from opscore_trial.interpreter import Ended, Execution
from tests.support.workflow_cases import Fails

TEMPLATE = """
id: trip
name: Trip
tasks:
  - taskId: book
    compensate: {agentCapability: cancel, parameters: {id: "{% $tasks.book.id %}"}}
  - taskId: insure
    compensate: {agentCapability: refund, retry: {maxRetries: 1, interval: 1s}}
  - {taskId: look, agentCapability: look}
  - taskId: pay
    compensate: {agentCapability: refund, parameters: {why: "{% $error.code %}"}}
onFailure:
  - taskId: page
    parameters: {error: "{% $error %}", booking: "{% $tasks.book.id %}", paid: "{% $tasks.pay %}"}
    retry: {maxRetries: 0}
  - {taskId: report, parameters: {paged: "{% $tasks.page %}", by: "{% $session.agentId %}"}}
"""
ERROR = {"code": "Boom", "message": "no van", "taskId": "ship"}


LOOP = """
id: w
name: W
tasks: [{taskId: a}]
onFailure:
  - taskId: loop
    repeat:
      tasks: [{taskId: one, retry: {maxRetries: 0}}, {taskId: two}]
      until: "{% true %}"
  - {taskId: tell, parameters: {one: "{% $tasks.one %}", two: "{% $tasks.two %}"}}
"""


def run(
    results: dict[str, Any], answers: dict[str, Any], template: str = TEMPLATE
) -> tuple[Ended, list[dict[str, Any]]]:
    """The cleanup of a session with these results, the last one made first."""
    messages: list[dict[str, Any]] = []

    def receive(message: dict[str, Any]) -> None:
        messages.append(message)
        answer = answers.get(message["taskId"], "done")
        if isinstance(answer, Fails):
            execution.fail(message["token"], answer.error, answer.cause)
        else:
            execution.succeed(message["token"], answer)

    given = {
        "input": {},
        "session": {"id": "s-1", "agentId": "bob", "workflowId": "trip", "workflowVersion": 1},
        "results": results,
        "completed": list(results),
        "error": ERROR,
    }
    definition = compile_cleanup(check(template).require(), "queue")
    assert definition is not None
    execution = Execution(definition, given, receive)
    return execution.run(), messages


def test_compensations_run_from_the_last_completed_and_handlers_after_them() -> None:
    results = {"pay": {"amount": 9}, "look": 1, "insure": None, "book": {"id": 5}}

    ended, messages = run(results, {"page": {"paged": True}})

    assert [message["taskId"] for message in messages] == [
        "pay (compensate)",
        "insure (compensate)",
        "book (compensate)",
        "page",
        "report",
    ]
    assert [message["parameters"] for message in messages] == [
        {"why": "Boom"},
        {},
        {"id": 5},
        {"error": ERROR, "booking": 5, "paid": {"amount": 9}},
        {"paged": {"paged": True}, "by": "bob"},
    ]
    assert {(message["sessionId"], message["phase"]) for message in messages} == {("s-1", "after")}
    assert ended.status == "SUCCEEDED"


def test_what_had_not_completed_is_not_undone_and_reads_as_null() -> None:
    _, messages = run({}, {})

    assert [message["taskId"] for message in messages] == ["page", "report"]
    assert messages[0]["parameters"] == {"error": ERROR, "booking": None, "paid": None}


def test_what_fails_there_is_passed_over() -> None:
    failing = {"insure (compensate)": Fails("Boom"), "page": Fails("Boom")}

    ended, messages = run({"insure": 1, "book": {"id": 5}}, failing)

    assert [message["taskId"] for message in messages] == [
        "insure (compensate)",
        "insure (compensate)",
        "book (compensate)",
        "page",
        "report",
    ]
    assert messages[-1]["parameters"]["paged"] is None
    assert ended.status == "SUCCEEDED"


def test_what_a_loop_that_failed_there_has_not_made_is_null() -> None:
    _, messages = run({}, {"one": Fails("Boom")}, LOOP)

    assert [message["taskId"] for message in messages] == ["one", "tell"]
    assert messages[-1]["parameters"] == {"one": None, "two": None}


def test_no_two_states_have_one_name_whatever_steps_are_called() -> None:
    choice = {"taskId": "onFailure", "choice": [{"when": "{% true %}", "nextTaskId": None}]}
    after = {"taskId": "both", "parallel": [{"tasks": [choice]}]}
    template = {"id": "w", "name": "W", "tasks": [{"taskId": "a"}], "onFailure": [after]}

    definition = compile_cleanup(check(template).require(), "queue")

    assert definition is not None
    names = list(state_names(json.loads(definition)))
    assert len(names) == len(set(names))


def state_names(part: dict[str, Any]) -> Iterator[str]:
    """Every state's name, which must be its own in the whole definition."""
    for name, state in part["States"].items():
        yield name
        for inner in (*state.get("Branches", ()), state.get("ItemProcessor")):
            yield from state_names(inner) if inner else ()
