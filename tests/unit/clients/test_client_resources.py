import pytest

from opscore_client import OpsCoreClient, StillRunningError
from tests.unit.clients.fake_api import FakeOpsCore, Lost, a_session, an_agent


def test_a_trigger_whose_answer_was_lost_starts_one_session(
    api: FakeOpsCore, client: OpsCoreClient
) -> None:
    api.troubles = [Lost(), Lost()]

    started = client.sessions.trigger("sample_workflow_id")

    assert list(api.sessions) == [started["sessionId"]]
    assert len({seen.headers["Idempotency-Key"] for seen in api.seen}) == 1
    assert len(api.seen) == 3


def test_two_triggers_start_two_sessions_and_one_key_starts_one(
    api: FakeOpsCore, client: OpsCoreClient
) -> None:
    first = client.sessions.trigger("sample_workflow_id")
    second = client.sessions.trigger("sample_workflow_id", idempotency_key="mine")
    third = client.sessions.trigger("sample_workflow_id", idempotency_key="mine")

    assert first["sessionId"] != second["sessionId"]
    assert second == third
    assert len(api.sessions) == 2


def test_a_trigger_may_name_an_agent_an_input_and_an_inline_template(
    api: FakeOpsCore, client: OpsCoreClient
) -> None:
    template = {"id": "inline", "name": "Inline", "tasks": []}

    started = client.sessions.trigger(template, payload={"x": 1}, agent_id="a-1")

    assert api.seen[0].path == "/v1/opscore/agent/a-1/workflow"
    assert api.seen[0].json() == {"workflowDefinition": template, "initialPayload": {"x": 1}}
    assert api.sessions[started["sessionId"]]["agentId"] == "a-1"


def test_listing_follows_cursors_to_the_end(api: FakeOpsCore, client: OpsCoreClient) -> None:
    api.sessions = {str(n): a_session(str(n), "w") for n in range(250)}

    assert [session["sessionId"] for session in client.sessions.find()] == list(api.sessions)
    assert [seen.query.get("cursor") for seen in api.seen] == [None, "100", "200"]


def test_a_listing_is_fetched_only_as_far_as_it_is_read(
    api: FakeOpsCore, client: OpsCoreClient
) -> None:
    api.sessions = {str(n): a_session(str(n), "w") for n in range(250)}

    page = client.sessions.find().first(120)

    assert len(page.items) == 120
    assert [seen.query["limit"] for seen in api.seen] == ["100", "20"]
    rest = client.sessions.find().first(200, page.next_cursor)
    assert rest.items[0]["sessionId"] == "120"
    assert rest.next_cursor is None


def test_filters_reach_the_server(api: FakeOpsCore, client: OpsCoreClient) -> None:
    api.agents = {
        "a": an_agent("a"),
        "b": an_agent("b", state="error"),
        "c": an_agent("c", capabilities=["code.fix"]),
    }

    assert [agent["agentId"] for agent in client.agents.find(state="error")] == ["b"]
    assert [agent["agentId"] for agent in client.agents.find(capability="code.fix")] == ["c"]
    assert len(list(client.agents.find())) == 3


def test_templates_travel_as_they_were_written(api: FakeOpsCore, client: OpsCoreClient) -> None:
    text = "id: w  # a comment\nname: Wörter\ntasks: []\n".encode()

    applied = client.workflows.apply("w", text)
    again = client.workflows.apply("w", text)

    assert api.seen[0].body == text
    assert api.seen[0].headers["Content-Type"] == "application/yaml"
    assert (applied["version"], applied["changed"]) == (1, True)
    assert (again["version"], again["changed"]) == (1, False)
    assert client.workflows.get("w")["name"] == "Wörter"


def test_validation_finds_and_changes_nothing(api: FakeOpsCore, client: OpsCoreClient) -> None:
    report = client.workflows.validate(b"id: w\nnext: clsoe\n")

    assert not report["valid"]
    assert [(e["line"], e["column"], e["code"]) for e in report["errors"]] == [(2, 7, "OC012")]
    assert "w" not in api.workflows


def test_an_agents_word_on_a_task_is_repeated_until_it_is_heard(
    api: FakeOpsCore, client: OpsCoreClient
) -> None:
    api.troubles = [Lost()]

    client.tasks.complete("task_1.2", result={"words": 3})

    assert [seen.path for seen in api.seen] == ["/v1/opscore/task/task_1.2/complete"] * 2
    assert api.seen[0].json() == {"result": {"words": 3}}


def test_a_watch_yields_until_the_session_has_ended(
    api: FakeOpsCore, client: OpsCoreClient, slept: list[float]
) -> None:
    api.plays["sample_workflow_id"] = [{}, {"status": "paused"}, {"status": "cancelled"}]
    started = client.sessions.trigger("sample_workflow_id")

    seen = [session["status"] for session in client.sessions.watch(started["sessionId"], every=2)]

    assert seen == ["running", "paused", "cancelled"]
    assert slept == [2, 2]


def test_a_watch_with_a_time_limit_gives_up(client: OpsCoreClient) -> None:
    started = client.sessions.trigger("sample_workflow_id")

    with pytest.raises(StillRunningError, match="session-1 is still running after 0 s"):
        list(client.sessions.watch(started["sessionId"], within=0))
