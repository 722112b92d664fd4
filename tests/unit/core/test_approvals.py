"""Steps that wait for a person, and the word of that person."""

from __future__ import annotations

import json

import pytest

from opscore.errors import ApprovalClosed, ApprovalNotFound, SessionNotFound
from opscore.models.messages import ApprovalMessage, DeadlineMessage, StepMessage
from opscore.models.session import SessionStatus
from opscore.models.task import AttemptStatus
from opscore.services.approvals import Word
from opscore.services.dispatch import Envelope
from tests.support.fleet import Fleet
from tests.support.memory import MemoryTokens

YES = Word(approved=True, by="ann", comment="fine")
NO = Word(approved=False, by="ann", comment="too risky")


def asked(fleet: Fleet, **more: object) -> ApprovalMessage:
    message = fleet.approval(**more)
    fleet.dispatch(message)
    return message


def answers(fleet: Fleet) -> dict[str, tuple[str, str]]:
    assert isinstance(fleet.tokens, MemoryTokens)
    return fleet.tokens.answers


def listed(
    fleet: Fleet, workflow_id: str | None = None, session_id: str | None = None
) -> list[str]:
    found = fleet.approvals.listed(
        workflow_id=workflow_id, session_id=session_id, limit=50, cursor=None
    )
    return [attempt.attempt_id for attempt in found.items]


def ids(*messages: StepMessage) -> list[str]:
    return [message.attempt_id for message in messages]


def test_an_approval_waits_without_an_agent(fleet: Fleet) -> None:
    fleet.agent("a")
    message = asked(fleet, timeout=60)

    attempt = fleet.attempt(message)
    assert (attempt.status, attempt.agent_id) == (AttemptStatus.WAITING, None)
    assert attempt.deadline == fleet.clock() + 60_000
    assert fleet.transport.delivered == []


def test_an_approved_step_says_who_approved_it(fleet: Fleet) -> None:
    message = asked(fleet)

    fleet.approvals.answer(message.attempt_id, YES)

    status, result = answers(fleet)[message.token]
    assert (status, json.loads(result)) == (
        "succeeded",
        {"approved": True, "by": "ann", "comment": "fine", "at": "2027-01-15T08:00:00.000Z"},
    )
    assert fleet.attempt(message).status is AttemptStatus.CLOSED


def test_a_rejected_step_fails_with_the_comment_and_shows_by_whom(fleet: Fleet) -> None:
    message = asked(fleet)

    fleet.approvals.answer(message.attempt_id, NO)

    assert answers(fleet)[message.token] == ("failed", "Rejected: too risky")
    outcome = fleet.attempt(message).outcome
    assert outcome is not None
    assert isinstance(outcome.result, dict)
    assert (outcome.result["approved"], outcome.result["by"]) == (False, "ann")


@pytest.mark.parametrize("word", [YES, NO])
def test_the_same_word_again_gets_the_first_answer_again(fleet: Fleet, word: Word) -> None:
    message = asked(fleet)
    first = fleet.approvals.answer(message.attempt_id, word)
    fleet.clock.forward(10)

    again = fleet.approvals.answer(message.attempt_id, word)

    assert again.outcome == first.outcome


@pytest.mark.parametrize(
    "other",
    [NO, Word(approved=True, by="bob", comment="fine"), Word(approved=True, by="ann", comment="")],
)
def test_another_word_is_refused(fleet: Fleet, other: Word) -> None:
    message = asked(fleet)
    fleet.approvals.answer(message.attempt_id, YES)

    with pytest.raises(ApprovalClosed, match="approved by ann"):
        fleet.approvals.answer(message.attempt_id, other)


def test_what_is_no_approval_is_not_found(fleet: Fleet) -> None:
    fleet.agent("a")
    task = fleet.message()
    fleet.dispatch(task)

    for task_id in ("task_unknown", task.attempt_id):
        with pytest.raises(ApprovalNotFound):
            fleet.approvals.answer(task_id, YES)


def test_an_approval_that_nobody_answers_times_out(fleet: Fleet) -> None:
    message = asked(fleet, timeout=60)
    (watch,) = fleet.queue.take()
    assert watch == DeadlineMessage(attempt_id=message.attempt_id, fence=0)
    fleet.clock.forward(60)

    fleet.dispatch(watch)

    expected = "Timeout: nobody approved or rejected within 60 s"
    assert answers(fleet)[message.token] == ("failed", expected)
    with pytest.raises(ApprovalClosed, match="within 60 s"):
        fleet.approvals.answer(message.attempt_id, YES)


def test_the_look_at_a_long_approval_is_sent_on_until_its_time(fleet: Fleet) -> None:
    message = asked(fleet, timeout=7200)
    fleet.queue.take()
    fleet.clock.forward(900)

    fleet.dispatch(DeadlineMessage(attempt_id=message.attempt_id, fence=0))

    ((_, delay),) = fleet.queue.sent
    assert delay == 7200 - 900 + 1
    assert fleet.attempt(message).status is AttemptStatus.WAITING


def test_the_sweeper_ends_an_approval_whose_look_got_lost(fleet: Fleet) -> None:
    message = asked(fleet, timeout=60)
    fleet.queue.take()
    fleet.clock.forward(59)
    fleet.sweeper.sweep()
    assert fleet.attempt(message).status is AttemptStatus.WAITING

    fleet.clock.forward(1)
    fleet.sweeper.sweep()

    assert answers(fleet)[message.token][1].startswith("Timeout")


def test_a_message_that_comes_twice_asks_once(fleet: Fleet) -> None:
    message = asked(fleet)
    fleet.dispatch(message)
    assert listed(fleet) == [message.attempt_id]

    fleet.approvals.answer(message.attempt_id, YES)
    fleet.dispatch(message)

    assert fleet.attempt(message).status is AttemptStatus.CLOSED
    assert listed(fleet) == []


def test_open_approvals_are_listed_the_oldest_first(fleet: Fleet) -> None:
    first = asked(fleet, timeout=7200)
    fleet.clock.forward(1)
    second = asked(fleet, task_id="b", timeout=60)
    fleet.clock.forward(1)
    other = asked(fleet, session_id="s2", workflow_id="other")

    assert listed(fleet) == ids(first, second, other)
    assert listed(fleet, workflow_id="wf") == ids(first, second)
    assert listed(fleet, session_id="s2") == ids(other)
    assert listed(fleet, workflow_id="wf", session_id="s2") == []
    fleet.approvals.answer(first.attempt_id, NO)
    assert listed(fleet) == ids(second, other)
    assert listed(fleet, session_id="s1") == ids(second)
    with pytest.raises(SessionNotFound):
        listed(fleet, session_id="nobody's")


def test_an_approval_is_listed_in_pages(fleet: Fleet) -> None:
    messages = []
    for number in range(3):
        messages.append(asked(fleet, task_id=f"t{number}"))
        fleet.clock.forward(1)

    seen, cursor = [], None
    for _ in range(5):
        page = fleet.approvals.listed(workflow_id="wf", session_id=None, limit=2, cursor=cursor)
        seen += [attempt.attempt_id for attempt in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == ids(*messages)


def test_an_approval_can_be_answered_while_its_session_is_paused(fleet: Fleet) -> None:
    fleet.session("s1")
    fleet.sessions.update("s1", status=SessionStatus.PAUSED)
    message = asked(fleet)

    fleet.approvals.answer(message.attempt_id, YES)

    assert answers(fleet)[message.token][0] == "succeeded"


def test_with_its_session_an_approval_is_closed(fleet: Fleet) -> None:
    message = asked(fleet)

    fleet.sessions.update("s1", status=SessionStatus.CANCELLED)

    assert fleet.attempt(message).superseded
    assert listed(fleet) == []
    with pytest.raises(ApprovalClosed, match="moved on"):
        fleet.approvals.answer(message.attempt_id, YES)


def test_of_a_session_that_has_ended_nobody_is_asked(fleet: Fleet) -> None:
    fleet.session("s1", status=SessionStatus.FAILED)
    asked(fleet)

    assert listed(fleet) == []


def test_whoever_answers_a_dead_token_is_told(fleet: Fleet) -> None:
    message = asked(fleet)
    assert isinstance(fleet.tokens, MemoryTokens)
    fleet.tokens.dead.add(message.token)

    for _ in range(2):
        with pytest.raises(ApprovalClosed, match="moved on"):
            fleet.approvals.answer(message.attempt_id, YES)


def test_a_step_that_is_asked_again_closes_what_it_asked_before(fleet: Fleet) -> None:
    """A parallel that failed and is tried again: nobody says that the token before is dead."""
    before = asked(fleet)
    fleet.clock.forward(5)
    after = asked(fleet)

    assert listed(fleet) == [after.attempt_id]
    assert fleet.attempt(before).superseded


def test_of_two_messages_that_overtook_each_other_the_newer_stays(fleet: Fleet) -> None:
    after = asked(fleet)
    before = fleet.approval(token="delayed")
    sent_before = fleet.clock() - 5000

    fleet.dispatcher.take(before, Envelope(sent_before, 10))

    assert after.attempt_id in listed(fleet)


def test_an_approval_that_could_not_be_put_on_record_is_a_dead_letter(fleet: Fleet) -> None:
    message = fleet.approval()
    body = message.model_dump_json(by_alias=True)

    fleet.dead_letters.record("m1", body, 7)

    letter, kept = fleet.letterbox.get("m1")
    assert (letter.attempt_id, letter.task_id) == (message.attempt_id, "step")
    assert message.token not in kept
    assert answers(fleet)[message.token][1].startswith("DispatchFailed")


def test_an_open_approval_is_no_token_that_is_open_for_too_long(fleet: Fleet) -> None:
    asked(fleet)
    fleet.clock.forward(3000)

    assert fleet.sweeper.oldest_token_age() == 0
