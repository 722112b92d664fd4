"""What the routes' bodies take and refuse."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from functions.session_api.bodies import SessionQuery, TriggerBody, UpdateBody
from functions.state_api.bodies import AgentBody, StateBody
from functions.task_api.bodies import CompleteBody, FailBody, TaskBody
from functions.task_api.letter_bodies import ReplayFoundBody
from opscore.errors import Malformed
from opscore.models.agent import Report
from opscore.models.dead_letter import LetterError, LetterState
from opscore.models.limits import MAX_CAPABILITIES
from opscore.records.dead_letters import LetterFilter
from opscore.services.own_word import parse_reference

NOW_MS = 1_800_000_000_000
NOW_US = NOW_MS * 1000


def report(timestamp: str, details: dict[str, Any] | None = None) -> Report:
    body = {"agentId": "a", "timestamp": timestamp, "state": "idle", "details": details}
    return StateBody.model_validate(body).report(NOW_MS)


def refused(model: type[BaseModel], value: Any) -> bool:
    try:
        model.model_validate(value)
    except ValidationError:
        return True
    return False


# ---- dead letters


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"all": True, "capability": "c"},
        {"all": False},
        {"workflowId": "w", "since": 5},
        {"workflowId": "w", "since": "soon"},
        {"workflowId": "w", "limit": 21},
        {"workflowId": "w", "agentId": "a", "agentCapability": "c"},
        {"workflowId": "w", "workflowVersion": 0},
        {"workflowId": "w", "workflowVersion": "newest"},
        {"workflowId": "w", "state": "replayed"},
    ],
    ids=str,
)
def test_a_replay_that_does_not_say_what_it_means_is_refused(body: dict[str, Any]) -> None:
    assert refused(ReplayFoundBody, body)


def test_a_replays_filter_means_open_letters_only() -> None:
    body = ReplayFoundBody.model_validate({"since": "2027-01-15T08:00:00.5Z", "error": "NoTask"})

    assert body.filter() == LetterFilter(
        error=LetterError.NO_TASK, state=LetterState.OPEN, since=NOW_MS + 500
    )


# ---- timestamps of reports


@pytest.mark.parametrize(
    ("timestamp", "moment"),
    [
        ("2026-11-22T11:26:57.766911+00:00", datetime(2026, 11, 22, 11, 26, 57, 766911, UTC)),
        ("2026-11-22T11:26:57.766911Z", datetime(2026, 11, 22, 11, 26, 57, 766911, UTC)),
        ("2026-11-22T13:26:57+02:00", datetime(2026, 11, 22, 11, 26, 57, 0, UTC)),
        ("2026-11-22T11:26:57", datetime(2026, 11, 22, 11, 26, 57, 0, UTC)),
        ("2026-11-22 11:26:57", datetime(2026, 11, 22, 11, 26, 57, 0, UTC)),
        ("2026-11-22", datetime(2026, 11, 22, 0, 0, 0, 0, UTC)),
    ],
)
def test_a_timestamp_is_read_to_the_microsecond_and_is_utc_without_a_zone(
    timestamp: str, moment: datetime
) -> None:
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000

    assert report(timestamp).at == round(microseconds)
    assert report(timestamp).timestamp == timestamp


@pytest.mark.parametrize("timestamp", ["", "now", "yesterday", "1732274817", "2026-13-45", "ü"])
def test_a_timestamp_that_cannot_be_read_means_now(timestamp: str) -> None:
    assert report(timestamp).at == NOW_US


@pytest.mark.parametrize("timestamp", ["1969-01-01", "0001-01-01T00:00:00+23:59", "0001-01-01"])
def test_a_timestamp_from_before_the_epoch_is_older_than_any_other(timestamp: str) -> None:
    assert report(timestamp).at == 1


def test_a_timestamp_up_to_a_day_ahead_is_taken() -> None:
    ahead = datetime.fromtimestamp(NOW_MS / 1000 + 86_399, UTC)

    assert report(ahead.isoformat()).at == NOW_US + 86_399_000_000


@pytest.mark.parametrize("timestamp", ["9999-12-31T23:59:59", "2027-01-17T00:00:00Z"])
def test_a_timestamp_in_the_far_future_is_refused(timestamp: str) -> None:
    with pytest.raises(Malformed) as refusal:
        report(timestamp)

    faults: Any = refusal.value.detail
    assert [fault["loc"] for fault in faults] == [["body", "timestamp"]]


@given(st.text(max_size=64))
def test_any_text_as_timestamp_is_read_or_refused(timestamp: str) -> None:
    with contextlib.suppress(Malformed):
        assert 1 <= report(timestamp).at <= NOW_US + 86_400_000_000


# ---- references to tasks


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("task_ab.3", ("task_ab", 3)),
        ("a.b.12", ("a.b", 12)),
        ("task_ab", ("task_ab", None)),
        ("task_ab.", ("task_ab", None)),
        ("task_ab.x", ("task_ab", None)),
        ("task_ab.-1", ("task_ab", None)),
        ("task_ab.\N{ARABIC-INDIC DIGIT ONE}", ("task_ab", None)),
        ("task_ab." + "9" * 10, ("task_ab", None)),
        ("task_ab." + "9" * 5_000, ("task_ab", None)),
    ],
    ids=range(9),
)
def test_a_reference_names_an_attempt_and_its_fence(
    reference: str, parts: tuple[str, int | None]
) -> None:
    assert parse_reference(reference) == parts


def test_a_report_names_its_task_by_opscore_task_id() -> None:
    named = report("now", {"opscore_task_id": "task_ab.3"})

    assert (named.attempt_id, named.fence) == ("task_ab", 3)


@pytest.mark.parametrize("value", [None, "", 7, {"a": 1}, ["task_ab.3"]])
def test_an_opscore_task_id_that_is_no_text_names_no_task(value: Any) -> None:
    assert report("now", {"opscore_task_id": value}).attempt_id is None


# ---- bodies


@pytest.mark.parametrize(
    "change",
    [
        {"agentId": ""}, {"agentId": None}, {"agentId": 7}, {"state": ""}, {"state": 5},
        {"state": "x" * 65}, {"timestamp": 5}, {"timestamp": None}, {"timestamp": "x" * 65},
        {"details": []}, {"details": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_a_report_that_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    good = {"agentId": "a", "timestamp": "now", "state": "idle", "extra": 1}

    assert not refused(StateBody, good)
    assert refused(StateBody, good | change)


@pytest.mark.parametrize(
    "change",
    [
        {"contactEndpoint": "ftp://a"}, {"contactEndpoint": "http://"}, {"contactEndpoint": ""},
        {"contactEndpoint": "http://a b"}, {"contactEndpoint": "http://a\n"},
        {"contactEndpoint": None}, {"capabilities": [""]}, {"capabilities": ["a#b"]},
        {"capabilities": "abc"}, {"capabilities": [str(i) for i in range(MAX_CAPABILITIES + 1)]},
        {"maxConcurrency": 0}, {"maxConcurrency": 51}, {"maxConcurrency": "many"},
        {"transport": "pigeon"}, {"metadata": []}, {"agentName": "x" * 257},
    ],
    ids=str,
)  # fmt: skip
def test_a_registration_that_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    good = {"contactEndpoint": "http://fake-agent-x.local/run", "capabilities": ["a b/c"]}

    assert not refused(AgentBody, good)
    assert refused(AgentBody, good | change)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"workflowDefinitionId": "a", "workflowDefinition": {}},
        {"workflowDefinitionId": None, "workflowDefinition": None},
        {"workflowDefinitionId": ""},
        {"workflowDefinitionId": "a", "initialPayload": []},
        {"workflowDefinition": "a"},
    ],
    ids=str,
)
def test_a_trigger_names_exactly_one_workflow(body: dict[str, Any]) -> None:
    assert refused(TriggerBody, body)


def test_a_triggers_extra_keys_are_ignored() -> None:
    body = {"workflowDefinitionId": "a", "agentId": "x", "context": "y"}

    assert TriggerBody.model_validate(body).workflow_definition_id == "a"


@pytest.mark.parametrize(
    "body",
    [
        {}, {"status": None}, {"status": "done"}, {"metadata": []}, {"metadata": {"": 1}},
        {"meta": {}, "status": "paused"},
    ],
    ids=str,
)  # fmt: skip
def test_an_update_that_says_nothing_or_something_else_is_refused(body: dict[str, Any]) -> None:
    assert refused(UpdateBody, body)


@pytest.mark.parametrize(
    "change",
    [
        {"agentCapability": "c"}, {"agentId": None}, {"timeout": 0}, {"timeout": 1.5},
        {"timeout": 2_592_001}, {"priority": 10}, {"priority": -1}, {"maxRetries": 21},
        {"maxRetries": None}, {"timeOut": 5}, {"parameters": []}, {"heartbeat": "often"},
    ],
    ids=str,
)  # fmt: skip
def test_a_single_task_that_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    assert not refused(TaskBody, {"agentId": "a"})
    assert refused(TaskBody, {"agentId": "a"} | change)


def test_an_agents_failure_has_a_code_that_templates_can_match() -> None:
    assert FailBody.model_validate({}).error_code == "AgentError"
    assert FailBody.model_validate({"errorCode": "Disk.Full-2"}).error_code == "Disk.Full-2"


@pytest.mark.parametrize("code", ["", "States.Timeout", "a b", "1a", "a\n", "x" * 129, None, 5])
def test_other_codes_are_refused(code: Any) -> None:
    assert refused(FailBody, {"errorCode": code})


def test_a_completion_may_have_any_result_or_none() -> None:
    assert CompleteBody.model_validate({}).result == {}
    assert CompleteBody.model_validate({"result": None}).result is None


def test_a_list_of_sessions_knows_no_other_statuses() -> None:
    assert refused(SessionQuery, {"status": "finished"})
    assert SessionQuery.model_validate({"workflowId": "w"}).workflow_id == "w"
