"""How models lie in items, and under which keys: nothing may change on the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from opscore.models.agent import Agent, Lease, Report
from opscore.models.messages import TaskMessage
from opscore.models.outcome import Outcome
from opscore.models.session import Failure, Session, SessionStatus
from opscore.models.task import Attempt, AttemptStatus, Task, TriedHow
from opscore.records import keys
from opscore.records.codec import decode, encode
from opscore.records.waiting import waiting_key

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=3)


@given(OBJECTS, TEXTS, st.none() | TEXTS)
def test_an_agent_comes_back_as_it_was(
    details: dict[str, JsonValue], state: str, timestamp: str | None
) -> None:
    agent = Agent(
        agent_id="a", agent_name="", version="é", contact_endpoint="http://a", registered_at=1,
        state=state, details=details, timestamp=timestamp, metadata=details,
        capabilities=("", "b c", "日本"),
        leases={
            "t": Lease(
                attempt_id="t", fence=2, session_id="s", task_key="k", token="x", watermark=10**16
            )
        },
    )  # fmt: skip

    assert decode(Agent, encode(agent)) == agent


@given(JSON)
def test_a_result_comes_back_as_it_was(result: JsonValue) -> None:
    attempt = Attempt(
        attempt_id="t", asked_at=1, created_at=2, outcome=Outcome.success(result),
        message=TaskMessage(
            token="t", session_id="s", workflow_id="w", task_id="k", name="", timeout=0.5,
            wait_timeout=60, parameters=result,
        ),
    )  # fmt: skip

    assert decode(Attempt, encode(attempt)) == attempt


@given(JSON, OBJECTS)
def test_a_session_comes_back_as_it_was(result: JsonValue, metadata: dict[str, JsonValue]) -> None:
    session = Session(
        session_id="s", workflow_id="w", workflow_version=1, status=SessionStatus.FAILED,
        start_time=1, last_updated_time=2, execution_input="", result=result, metadata=metadata,
        error=Failure(code="x"), cleaned=True,
    )  # fmt: skip

    assert decode(Session, encode(session)) == session


def test_a_task_comes_back_as_it_was() -> None:
    task = Task(
        session_id="s", task_key="k", task_id="k", workflow_id="w", name="n", asked_at=1,
        attempts=("t", "u"), tried={"a": TriedHow.TIMED_OUT},
    )  # fmt: skip

    assert decode(Task, encode(task)) == task


def test_attributes_that_conditions_read_are_plain_and_nothing_is_null() -> None:
    report = encode(Report(state="idle", at=5, timestamp="now"))

    assert report == {"state": "idle", "at": 5, "timestamp": "now"}


def test_attributes_that_a_model_does_not_know_are_left_out() -> None:
    item = encode(Report(state="idle", at=5, timestamp="now")) | {"ttl": 7, "listPk": "x"}

    assert decode(Report, item) == Report(state="idle", at=5, timestamp="now")


def test_empty_texts_and_false_are_not_taken_for_missing() -> None:
    class_ = decode(
        Session,
        encode(
            Session(
                session_id="s", workflow_id="", workflow_version=0, start_time=0,
                last_updated_time=0, execution_input="",
            )
        ),
    )  # fmt: skip

    assert (class_.workflow_id, class_.cleaned, class_.start_time) == ("", False, 0)


# ---- keys

IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="#"), min_size=1)


@given(IDS, IDS)
def test_no_two_things_have_the_same_key(one: str, other: str) -> None:
    makers: list[Any] = [
        keys.agent,
        keys.early_report,
        keys.attempt,
        keys.idempotency,
        keys.dead_letter,
        keys.session,
        keys.workflow_current,
        keys.flag,
        lambda i: keys.task(i, "task"),
        lambda i: keys.history_entry(i, 1, "e"),
        lambda i: keys.directory_entry(None, i),
        lambda i: keys.directory_entry(i, "agent"),
        lambda i: keys.idle_entry(i, "agent", 1, 4),
        lambda i: keys.workflow_version(i, 1),
        lambda i: keys.waiting_entry(i, "0"),
    ]
    made = [maker(identity) for maker in makers for identity in dict.fromkeys((one, other))]

    assert len(set(made)) == len(made)


@given(st.integers(0, 10**13 - 1), st.integers(0, 10**13 - 1))
def test_the_longest_idle_comes_first(one: int, other: int) -> None:
    first, second = (keys.idle_entry("c", "a", since, 1).sk for since in (one, other))

    assert (first <= second) == (one <= other)


@given(st.integers(0, 10**16 - 1), st.integers(0, 10**16 - 1))
def test_history_lies_in_the_order_of_the_agents_clock(one: int, other: int) -> None:
    first, second = (keys.history_entry("a", at, "").sk for at in (one, other))

    assert (first <= second) == (one <= other)


@given(st.integers(1, 99_999_999), st.integers(1, 99_999_999))
def test_versions_lie_in_their_order(one: int, other: int) -> None:
    first, second = (keys.workflow_version("w", number).sk for number in (one, other))

    assert (first <= second) == (one <= other)


@given(TEXTS, st.integers(1, 64))
def test_a_shard_is_one_of_those_there_are(text: str, shards: int) -> None:
    assert 0 <= keys.shard_of(text, shards) < shards
    assert keys.shard_of(text, shards) == keys.shard_of(text, shards)


def test_what_is_not_due_is_on_no_list() -> None:
    assert keys.due("a", None) == {"dueShard": None, "dueAt": None}
    assert keys.due("a", 5)["dueShard"] in keys.due_shards()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"priority": 9}, {"priority": 5}),
        ({"priority": 5, "asked": 0}, {"priority": 5, "asked": 1}),
        ({"priority": 5, "asked": 0}, {"priority": 9, "asked": 240_001}),
    ],
)
def test_priority_comes_first_and_age_lifts_it(
    first: dict[str, int], second: dict[str, int]
) -> None:
    def key(priority: int, asked: int = 0) -> str:
        message = TaskMessage(
            token="t", session_id="s", workflow_id="w", task_id="k", name="n", timeout=1,
            wait_timeout=1, priority=priority,
        )  # fmt: skip
        asked_at = 1_800_000_000_000 + asked
        attempt = Attempt(
            attempt_id="t", message=message, asked_at=asked_at, created_at=1,
            status=AttemptStatus.RECEIVED,
        )  # fmt: skip
        return waiting_key(attempt, asked_at)

    assert key(**first) < key(**second)
