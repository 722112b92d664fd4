"""The example agents' work: real, small, and failing only where its behaviour says so."""

import json
from typing import Any

import pytest

from infra.local.agent import FAILURES, Worker, WorkFailedError, task_of, work

PAYLOAD = {"task_name": "read", "task_parameters": {"text": "A b"}, "opscore_task_id": "t.1"}


def test_work_says_something_true_about_a_text() -> None:
    text = "The bridge opens. The bridge was closed; the ferries were not."

    assert work({"text": text}) == {
        "words": 11,
        "topWords": ["the", "bridge", "closed"],
        "summary": "The bridge opens.",
    }


def test_work_without_a_text_gives_the_parameters_back() -> None:
    assert work({"value": 123}) == {"echo": {"value": 123}}


@pytest.mark.parametrize(("behaviour", "failures"), [("good", 0), ("flaky", 2), ("broken", 4)])
def test_behaviour_is_how_many_tasks_fail_first(behaviour: str, failures: int) -> None:
    worker = Worker(FAILURES[behaviour], seconds=0)
    failed = 0
    for _ in range(4):
        try:
            worker.do({})
        except WorkFailedError:
            failed += 1

    assert failed == failures


def test_task_is_read_from_the_payload() -> None:
    message = {"payload": {**PAYLOAD, "more": 1}, "task_name": "other"}

    assert task_of(json.dumps(message).encode()) == PAYLOAD


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"{", "no payload"),
        (b"[]", "no payload"),
        (b'{"payload": 1}', "bad task_name"),
        (json.dumps({"payload": {**PAYLOAD, "task_name": 1}}), "bad task_name"),
        (json.dumps({"payload": {**PAYLOAD, "task_parameters": []}}), "bad task_parameters"),
        (json.dumps({"payload": {**PAYLOAD, "opscore_task_id": None}}), "bad opscore_task_id"),
    ],
)
def test_wrong_task_is_told_apart(body: Any, fault: str) -> None:
    assert task_of(body) == fault
