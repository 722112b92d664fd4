"""What sessions start with, and what tasks result in, is held against the template's schemas."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opscore.errors import IdempotencyKeyReused, InputInvalid, OutcomeDiffers
from opscore.models.messages import TaskMessage
from opscore.models.task import AttemptStatus
from opscore.services.sessions import StartRequest
from tests.support.fleet import Fleet
from tests.support.memory import MemoryMachines, MemoryTokens

SCHEMA = {"type": "object", "required": ["severity"], "properties": {"severity": {"minimum": 1}}}
WRONG: Any = {"severity": 0, "secret": "x"}
INVALID = "failed", "InvalidResult: result.severity: the value is less than the minimum of 1"


def answers(fleet: Fleet) -> dict[str, tuple[str, str]]:
    assert isinstance(fleet.tokens, MemoryTokens)
    return fleet.tokens.answers


def sent(fleet: Fleet, schema: Any = SCHEMA) -> tuple[TaskMessage, str]:
    """A task with a schema, with agent a; and what the agent calls it."""
    fleet.agent("a")
    message = fleet.message("token", result_schema=schema)
    fleet.dispatch(message)
    return message, fleet.reference(message)


# ---- results


def by_name(fleet: Fleet, reference: str, result: Any) -> None:
    fleet.says("a", "active", {"opscore_task_id": reference})
    fleet.says("a", "idle", {"opscore_task_id": reference, "result": result})


def by_inference(fleet: Fleet, _: str, result: Any) -> None:
    fleet.says("a", "active")
    fleet.says("a", "idle", {"result": result})


def out_of_order(fleet: Fleet, _: str, result: Any) -> None:
    at = fleet.clock() + 10
    fleet.says("a", "idle", {"result": result}, at=at + 1)
    fleet.says("a", "active", at=at)


def by_its_word(fleet: Fleet, reference: str, result: Any) -> None:
    fleet.own_word.complete(reference, "a", result)
    fleet.says("a", "idle")


WAYS = pytest.mark.parametrize("way", [by_name, by_inference, out_of_order, by_its_word])


@WAYS
def test_a_result_that_fits_is_the_result(fleet: Fleet, way: Any) -> None:
    _, reference = sent(fleet)

    way(fleet, reference, {"severity": 2})

    assert answers(fleet) == {"token": ("succeeded", '{"severity":2}')}


@WAYS
def test_a_result_that_does_not_fit_is_a_failure_that_says_where(fleet: Fleet, way: Any) -> None:
    message, reference = sent(fleet)

    way(fleet, reference, WRONG)

    assert answers(fleet) == {"token": INVALID}
    assert fleet.attempt(message).status is AttemptStatus.CLOSED
    agent = fleet.agents.get("a")
    assert (agent.leases, agent.draining) == ({}, ())
    assert agent.idle_since is not None


def test_a_failure_is_not_held_against_the_schema(fleet: Fleet) -> None:
    _, reference = sent(fleet)

    fleet.own_word.fail(reference, "a", "DiskFull", "no room")

    assert answers(fleet) == {"token": ("failed", "DiskFull: no room")}


def test_the_same_wrong_result_again_gets_the_same_answer(fleet: Fleet) -> None:
    _, reference = sent(fleet)

    first, again = (fleet.own_word.complete(reference, "a", WRONG) for _ in range(2))

    assert first == again
    with pytest.raises(OutcomeDiffers):
        fleet.own_word.complete(reference, "a", {"severity": 2})


def test_the_next_attempt_may_go_to_the_same_agent(fleet: Fleet) -> None:
    _, reference = sent(fleet)
    fleet.own_word.complete(reference, "a", WRONG)
    fleet.says("a", "idle")
    retry = fleet.message("token-2", result_schema=SCHEMA, retry=1)

    fleet.dispatch(retry)
    fleet.own_word.complete(fleet.reference(retry), "a", {"severity": 1})

    assert answers(fleet)["token-2"] == ("succeeded", '{"severity":1}')


def test_a_schema_that_can_not_be_used_fits_nothing(fleet: Fleet) -> None:
    _, reference = sent(fleet, {"$ref": "https://example.com"})

    fleet.own_word.complete(reference, "a", 1)

    assert answers(fleet)["token"][1].startswith("InvalidResult: result: the schema can't be used")


# ---- inputs

WORKFLOW = {"id": "wf", "name": "W", "tasks": [{"taskId": "one", "agentCapability": "work"}]}


def with_input(fleet: Fleet, schema: Any) -> None:
    """The next version of the workflow, with a schema for its input."""
    version = fleet.workflows.apply("wf", dict(WORKFLOW)).version
    head = fleet.workflow_records.current("wf")
    assert head is not None
    newer = version.replace(
        version=head.version + 1, content_hash=f"hash-{head.version + 1}", input_schema=schema
    )
    fleet.store.write(*fleet.workflow_records.added(newer, head.rev))


def executions(fleet: Fleet) -> int:
    assert isinstance(fleet.machines, MemoryMachines)
    return len(fleet.machines.executions)


def test_an_input_that_does_not_fit_starts_nothing_and_tells_every_fault(fleet: Fleet) -> None:
    with_input(fleet, SCHEMA | {"additionalProperties": False})

    with pytest.raises(InputInvalid) as refused:
        fleet.sessions.start(StartRequest("wf", None, {"severity": 0, "more": 1}))

    assert isinstance(refused.value.detail, list)
    assert {tuple(fault["loc"]) for fault in refused.value.detail} == {
        ("body", "initialPayload"),
        ("body", "initialPayload", "severity"),
    }
    assert executions(fleet) == 0
    assert fleet.sessions.listed(status=None, workflow_id=None, limit=1, cursor=None).items == []


def test_an_input_that_fits_starts_a_session(fleet: Fleet) -> None:
    with_input(fleet, SCHEMA)

    fleet.sessions.start(StartRequest("wf", None, {"severity": 3}))

    assert executions(fleet) == 1


def test_a_request_that_got_through_before_is_not_held_against_a_newer_version(
    fleet: Fleet,
) -> None:
    fleet.workflows.apply("wf", dict(WORKFLOW))
    request = StartRequest("wf", None, {}, idempotency_key="k")
    session = fleet.sessions.start(request)
    with_input(fleet, SCHEMA)

    assert fleet.sessions.start(request).session_id == session.session_id
    with pytest.raises(InputInvalid):
        fleet.sessions.start(replace(request, idempotency_key="l"))
    with pytest.raises(IdempotencyKeyReused):
        fleet.sessions.start(replace(request, payload={"severity": 0}))
