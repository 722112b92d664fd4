"""What could not be delivered is kept for people, and its workflow goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opscore.errors import DeadLetterNotFound
from opscore.models.messages import AttemptMessage, TaskMessage, WakeMessage
from opscore.models.task import AttemptStatus
from opscore.ports import Delivered
from opscore.records.dead_letters import LetterFilter
from opscore.services.dispatch import NotNow
from tests.support.fleet import Fleet
from tests.support.memory import MemoryTokens

EVERY = LetterFilter()
FAILED = ("failed", "DispatchFailed: could not be delivered, after 9 tries")


def answers(fleet: Fleet) -> dict[str, tuple[str, str]]:
    assert isinstance(fleet.tokens, MemoryTokens)
    return fleet.tokens.answers


def body_of(message: Any) -> str:
    return str(message.model_dump_json(by_alias=True))


def record(fleet: Fleet, body: str, message_id: str = "m1") -> bool:
    return fleet.dead_letters.record(message_id, body, 10)


def unsent(fleet: Fleet) -> TaskMessage:
    """A task that nothing could be sent of."""
    fleet.agent("a")
    fleet.transport.answers["a"] = Delivered.NOT_SENT
    message = fleet.message("token")
    with pytest.raises(NotNow):
        fleet.dispatch(message)
    return message


def test_a_task_that_could_never_be_sent_fails_and_is_kept(fleet: Fleet) -> None:
    message = unsent(fleet)

    assert record(fleet, body_of(message))

    assert answers(fleet) == {"token": FAILED}
    assert fleet.attempt(message).status is AttemptStatus.CLOSED
    found, body = fleet.letterbox.get("m1")
    assert (found.session_id, found.workflow_id, found.task_id, found.attempt_id) == (
        "s1",
        "wf",
        "step",
        message.attempt_id,
    )
    assert json.loads(body)["agentCapability"] == "work"


def test_no_dead_letter_holds_a_token(fleet: Fleet) -> None:
    record(fleet, body_of(fleet.message("the-secret-token")))
    record(fleet, '{"kind": "task", "token": "the-secret-token", "broken": true}', "m2")

    for message_id in ("m1", "m2"):
        assert "secret" not in repr(fleet.letterbox.get(message_id))


def test_a_task_that_no_dispatcher_ever_saw_fails_and_can_be_seen(fleet: Fleet) -> None:
    message = fleet.message("token")

    record(fleet, body_of(message))

    assert answers(fleet) == {"token": FAILED}
    view = fleet.sessions.view("s1")
    assert [task.attempts for task in view.tasks] == [(message.attempt_id,)]
    assert view.attempts[message.attempt_id].status is AttemptStatus.CLOSED


def test_the_same_message_twice_is_one_letter_and_one_answer(fleet: Fleet) -> None:
    message = unsent(fleet)

    assert record(fleet, body_of(message)) is True
    assert record(fleet, body_of(message)) is False

    assert len(fleet.letterbox.found(EVERY, limit=10, cursor=None).items) == 1
    assert answers(fleet) == {"token": FAILED}


def test_a_task_that_an_agent_has_does_not_fail_by_its_message(fleet: Fleet) -> None:
    fleet.agent("a")
    message = fleet.message("token")
    fleet.dispatch(message)

    record(fleet, body_of(message))

    assert answers(fleet) == {}
    assert fleet.attempt(message).status is AttemptStatus.SENT


def test_a_task_that_waits_does_not_fail_by_its_message(fleet: Fleet) -> None:
    message = fleet.message("token")
    fleet.dispatch(message)

    record(fleet, body_of(AttemptMessage(attempt_id=message.attempt_id)))

    assert answers(fleet) == {}
    assert fleet.attempt(message).status is AttemptStatus.PARKED


def test_a_task_on_its_way_again_fails_by_that_message_too(fleet: Fleet) -> None:
    message = unsent(fleet)

    record(fleet, body_of(AttemptMessage(attempt_id=message.attempt_id)))

    assert answers(fleet) == {"token": FAILED}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[1]",
        '{"kind": "dance"}',
        '{"kind": "task"}',
        "\x00",
        "[" * 5000,
        "x" * 200_000,
    ],
    ids=range(8),
)
def test_a_message_that_nobody_can_read_is_kept_as_it_is(fleet: Fleet, body: str) -> None:
    assert record(fleet, body)

    found, kept = fleet.letterbox.get("m1")
    assert found.session_id is None
    assert kept == body[: 64 * 1024].replace(": ", ":")


@pytest.mark.parametrize("change", [{"priority": 12}, {"timeout": "soon"}, {"taskId": None}])
def test_a_task_that_nobody_can_read_fails_rather_than_hang(
    fleet: Fleet, change: dict[str, Any]
) -> None:
    broken = json.loads(body_of(fleet.message("token"))) | change

    record(fleet, json.dumps(broken))

    status, word = answers(fleet)["token"]
    assert status == "failed"
    assert word.startswith("DispatchFailed: ")


def test_other_messages_are_kept_and_fail_nothing(fleet: Fleet) -> None:
    record(fleet, body_of(WakeMessage(agent_id="a", lists=("x",))))

    assert answers(fleet) == {}
    assert "wake" in fleet.letterbox.get("m1")[1]


def test_dead_letters_are_listed_the_newest_first(fleet: Fleet) -> None:
    for number in range(5):
        record(fleet, "x", f"m{number}")
        fleet.clock.forward(1)

    seen: list[str] = []
    cursor = None
    while True:
        page = fleet.letterbox.found(EVERY, limit=2, cursor=cursor)
        seen += [letter.dead_letter_id for letter in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == ["m4", "m3", "m2", "m1", "m0"]


def test_a_dead_letter_that_nobody_knows_is_not_found(fleet: Fleet) -> None:
    with pytest.raises(DeadLetterNotFound):
        fleet.letterbox.get("unknown")
