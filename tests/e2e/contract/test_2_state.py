"""Contract, section 2: agents call Ops-Core, their state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.agents import Agent, Fleet, fresh
from tests.e2e.api import Api, JsonObject
from tests.e2e.gateway import Webhook

SDK_TIME = "2026-11-22T11:26:57.766911+00:00"


@pytest.fixture
def agent(fleet: Fleet) -> Agent:
    """Registered, and silent so far."""
    return fleet.add(idle=False)


def body(agent_id: str, state: str = "idle", **fields: Any) -> JsonObject:
    """A report as AgentKit's SDK makes it; a field of `...` is left out."""
    known = {"agentId": agent_id, "timestamp": SDK_TIME, "state": state, "details": {}}
    return {name: value for name, value in {**known, **fields}.items() if value is not ...}


def test_accepted_is_202_with_the_original_s_words(api: Api, agent: Agent) -> None:
    answer = api.post(f"agent/{agent.agent_id}/state", body(agent.agent_id))

    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "State update accepted"}
    assert answer.headers["Content-Type"].startswith("application/json")


def test_state_is_shown_as_it_was_reported(api: Api, agent: Agent) -> None:
    details = {"opscore_task_id": "t", "nested": {"list": [1, 2.5, None, True, "é\u0000"]}}
    api.post(f"agent/{agent.agent_id}/state", body(agent.agent_id, "busy-ish", details=details))

    assert api.read(f"agent/{agent.agent_id}/state") == {
        "agentId": agent.agent_id,
        "state": "busy-ish",
        "details": details,
        "timestamp": SDK_TIME,
    }


def test_agent_that_has_not_reported_is_unknown(api: Api, webhook: Webhook, fleet: Fleet) -> None:
    agent = fleet.make()
    webhook.register(agent.agent_id)

    shown = api.read(f"agent/{agent.agent_id}/state")

    assert shown["state"] == "UNKNOWN"
    assert shown["details"] == {"reason": "Initial registration"}
    assert datetime.fromisoformat(shown["timestamp"]).tzinfo is not None


def test_state_of_an_unknown_agent_is_404(api: Api) -> None:
    answer = api.get("agent/nobody-here/state")

    assert answer.status_code == 404
    assert answer.json() == {
        "detail": "No state found for agent nobody-here",
        "code": "agent_not_found",
    }


def test_report_of_an_unknown_agent_is_404(api: Api) -> None:
    agent_id = fresh("unknown")

    answer = api.post(f"agent/{agent_id}/state", body(agent_id))

    assert answer.status_code == 404
    assert answer.json() == {"detail": f"Agent not found: {agent_id}", "code": "agent_not_found"}


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer opscore_wrong", "{key}", "Token {key}"],
)
def test_no_header_or_a_wrong_scheme_or_key_is_401_or_403(
    header: str | None, api: Api, keys: dict[str, str], agent: Agent
) -> None:
    headers = {} if header is None else {"Authorization": header.replace("{key}", keys["agent"])}

    answer = api.with_key(None).post(
        f"agent/{agent.agent_id}/state", body(agent.agent_id), headers=headers
    )

    assert answer.status_code in {401, 403}
    assert isinstance(answer.json()["message"], str)
    assert api.read(f"agent/{agent.agent_id}/state")["state"] == "UNKNOWN"


def test_ids_of_path_and_body_must_agree(api: Api, agent: Agent) -> None:
    answer = api.post(f"agent/{agent.agent_id}/state", body("someone-else"))

    assert answer.status_code == 400
    assert answer.json() == {
        "detail": "Agent ID in path does not match agent ID in payload",
        "code": "agent_id_mismatch",
    }
    assert api.read(f"agent/{agent.agent_id}/state")["state"] == "UNKNOWN"


@pytest.mark.parametrize(
    "fields",
    [
        {"agentId": ...},
        {"timestamp": ...},
        {"state": ...},
        {"agentId": 5},
        {"timestamp": 1763810817},
        {"timestamp": None},
        {"state": None},
        {"state": ["idle"]},
        {"details": "text"},
        {"details": [1]},
        {"details": 0},
    ],
    ids=str,
)
def test_schema_error_is_422_with_pydantic_s_faults(
    fields: JsonObject, api: Api, agent: Agent
) -> None:
    answer = api.post(f"agent/{agent.agent_id}/state", body(agent.agent_id, **fields))

    assert answer.status_code == 422
    fault = answer.json()["detail"][0]
    assert set(fault) == {"type", "loc", "msg", "input"}
    assert fault["loc"] == ["body", next(iter(fields))]
    assert api.read(f"agent/{agent.agent_id}/state")["state"] == "UNKNOWN"


@pytest.mark.parametrize("raw", [b"", b"{", b"not json", b"[]", b'{"a": NaN}', b"\xff\xfe"])
def test_malformed_json_is_422(raw: bytes, api: Api, agent: Agent) -> None:
    answer = api.post(f"agent/{agent.agent_id}/state", data=raw)

    assert answer.status_code == 422
    assert set(answer.json()["detail"][0]) == {"type", "loc", "msg", "input"}


@pytest.mark.parametrize("details", [{}, None, ..., {"a": 1}], ids=str)
def test_details_are_an_object_or_null_or_absent(details: Any, api: Api, agent: Agent) -> None:
    answer = api.post(
        f"agent/{agent.agent_id}/state", body(agent.agent_id, details=details, extra=1)
    )

    assert answer.status_code == 202
    shown = api.read(f"agent/{agent.agent_id}/state")["details"]
    assert shown == (None if details is ... else details)


def test_newest_timestamp_wins_and_older_ones_are_kept_in_the_history(
    api: Api, agent: Agent
) -> None:
    """The original let the last arrival win."""
    times = [datetime.now(UTC) + timedelta(seconds=s) for s in (2, 1, 3)]
    for state, at in zip(("second", "first", "third"), times, strict=True):
        agent.report(state, {"is": state}, at.isoformat())
    agent.report("oldest", {}, "2020-01-01T00:00:00Z")

    assert api.read(f"agent/{agent.agent_id}/state")["state"] == "third"
    history = api.read(f"agent/{agent.agent_id}/state/history")["items"]
    assert [entry["state"] for entry in history] == ["third", "second", "first", "oldest"]
    assert [entry["displayed"] for entry in history] == [True, True, False, False]
    assert history[1]["details"] == {"is": "second"}


def test_same_moment_in_another_time_zone_is_the_same(api: Api, agent: Agent) -> None:
    agent.report("later", {}, "2026-11-22T12:00:00+00:00")
    agent.report("earlier", {}, "2026-11-22T14:00:00+05:00")
    agent.report("zoneless and earlier", {}, "2026-11-22T11:59:59")

    assert api.read(f"agent/{agent.agent_id}/state")["state"] == "later"


@pytest.mark.parametrize("timestamp", ["", "yesterday", "2026-13-45T99:99:99", "1763810817"])
def test_timestamp_that_can_t_be_parsed_means_now(timestamp: str, api: Api, agent: Agent) -> None:
    agent.report("before", {}, (datetime.now(UTC) - timedelta(minutes=1)).isoformat())

    agent.report("undated", {}, timestamp)

    assert api.read(f"agent/{agent.agent_id}/state")["state"] == "undated"
    agent.report("after", {}, (datetime.now(UTC) + timedelta(seconds=1)).isoformat())
    assert api.read(f"agent/{agent.agent_id}/state")["state"] == "after"


def test_history_is_paged_and_belongs_to_the_agent(api: Api, agent: Agent) -> None:
    start = datetime.now(UTC)
    for number in range(5):
        agent.report(f"s{number}", {}, (start + timedelta(seconds=number)).isoformat())

    pages = api.pages(f"agent/{agent.agent_id}/state/history", limit=2)

    assert [[e["state"] for e in page] for page in pages if page] == [
        ["s4", "s3"],
        ["s2", "s1"],
        ["s0"],
    ]
    assert api.get("agent/nobody-here/state/history").status_code == 404


@pytest.fixture
def early(fleet: Fleet, api: Api) -> Agent:
    """An agent that nobody knows, whose first report was answered 404."""
    agent = fleet.make()
    answer = api.post(
        f"agent/{agent.agent_id}/state", body(agent.agent_id, "idle", details={"n": 1})
    )
    assert answer.status_code == 404
    return agent


def test_early_report_is_applied_at_register(early: Agent, api: Api, webhook: Webhook) -> None:
    """The race: the first report usually arrives before the webhook does."""
    webhook.register(early.agent_id)

    shown = api.read(f"agent/{early.agent_id}/state")
    assert shown["state"] == "idle"
    assert shown["details"] == {"n": 1}
    assert shown["timestamp"] == SDK_TIME
    assert api.read(f"agent/{early.agent_id}")["eligible"] is True


def test_early_report_is_applied_at_direct_registration_too(
    early: Agent, api: Api, fleet: Fleet
) -> None:
    fleet.register(early, "any")

    assert api.read(f"agent/{early.agent_id}/state")["state"] == "idle"


def test_early_report_is_applied_once(early: Agent, api: Api, webhook: Webhook) -> None:
    webhook.register(early.agent_id)
    api.delete(f"agent/{early.agent_id}")
    webhook.register(early.agent_id)

    assert api.read(f"agent/{early.agent_id}/state")["state"] == "UNKNOWN"


def test_opscore_aware_agent_s_single_idle_before_the_webhook_gets_it_work(
    early: Agent, api: Api, webhook: Webhook
) -> None:
    """It never repeats its first `idle`: were that lost, the agent would never get a task."""
    webhook.register(early.agent_id, capabilities=["early-work"])

    eligible = api.read("agents", capability="early-work")["items"]

    assert [(a["agentId"], a["eligible"]) for a in eligible] == [(early.agent_id, True)]


def test_state_route_serves_the_sdk_at_the_root_of_its_host(api: Api, agent: Agent) -> None:
    """The SDK keeps only scheme, host and port of its base URL."""
    url = f"/v1/opscore/agent/{agent.agent_id}/state"

    assert api.post(url, body(agent.agent_id)).status_code == 202
