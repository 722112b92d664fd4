import json

from tests.unit.clients.conftest import Opscore
from tests.unit.clients.fake_api import FakeOpsCore, a_session, an_agent


def test_agents_in_a_pipe_are_lines_of_fields(api: FakeOpsCore, opscore: Opscore) -> None:
    api.agents = {"a": an_agent("a"), "b": an_agent("b", state="error", openTasks=["t"])}

    result = opscore("agent", "list")

    assert result.stdout.splitlines() == [
        "a\tidle\tyes\t0\t5 min ago\ttext.classify",
        "b\terror\tyes\t1\t5 min ago\ttext.classify",
    ]


def test_agents_at_a_terminal_are_a_table(
    api: FakeOpsCore, opscore: Opscore, at_terminal: dict[str, str]
) -> None:
    api.agents = {"agent-1": an_agent("agent-1")}

    heading, row = opscore("agent", "list", env=at_terminal).stdout.splitlines()

    assert heading.split() == ["agent", "state", "free", "tasks", "seen", "capabilities"]
    assert row.split() == ["agent-1", "idle", "yes", "0", "5", "min", "ago", "text.classify"]


def test_lists_are_filtered(api: FakeOpsCore, opscore: Opscore) -> None:
    api.agents = {"a": an_agent("a"), "b": an_agent("b", state="error")}
    api.sessions = {
        "s-1": a_session("s-1", "triage"),
        "s-2": a_session("s-2", "triage", status="failed"),
        "s-3": a_session("s-3", "other", status="failed"),
    }

    agents = json.loads(opscore("agent", "list", "--state", "error", "--json").stdout)
    sessions = opscore("session", "list", "--status", "failed", "--workflow", "triage").stdout

    assert [agent["agentId"] for agent in agents["items"]] == ["b"]
    assert [line.split("\t")[0] for line in sessions.splitlines()] == ["s-2"]


def test_a_list_that_has_more_says_how_to_see_it(api: FakeOpsCore, opscore: Opscore) -> None:
    api.sessions = {str(n): a_session(str(n), "w") for n in range(130)}

    first = opscore("session", "list", "--limit", "120")
    assert len(first.stdout.splitlines()) == 120
    assert first.stderr == "opscore: there are more: --limit 240, or --cursor 120\n"

    rest = opscore("session", "list", "--cursor", "120")
    assert [line.split("\t")[0] for line in rest.stdout.splitlines()] == [
        str(n) for n in range(120, 130)
    ]
    assert rest.stderr == ""


def test_a_list_with_more_gives_programs_the_cursor(api: FakeOpsCore, opscore: Opscore) -> None:
    api.sessions = {str(n): a_session(str(n), "w") for n in range(5)}

    result = opscore("session", "list", "--limit", "2", "--json")

    answer = json.loads(result.stdout)
    assert [item["sessionId"] for item in answer["items"]] == ["0", "1"]
    assert answer["nextCursor"] == "2"
    assert result.stderr == ""


def test_one_agent_is_shown_with_its_fields(api: FakeOpsCore, opscore: Opscore) -> None:
    api.agents["a"] = an_agent("a", details={"load": 3}, openTasks=["t-1", "t-2"])

    fields = dict(line.split("\t", 1) for line in opscore("agent", "show", "a").stdout.splitlines())

    assert fields["name"] == "A"
    assert fields["details"] == '{"load": 3}'
    assert fields["tasks"] == "t-1, t-2"


def test_an_agent_that_can_take_no_task_says_why(api: FakeOpsCore, opscore: Opscore) -> None:
    slot = {"attemptId": "t-1", "until": "2026-11-22T10:05:00Z"}
    api.agents["a"] = an_agent("a", eligible=False, draining=[slot])

    assert "draining\tt-1\n" in opscore("agent", "show", "a").stdout


def test_agents_in_a_condition_are_listed(api: FakeOpsCore, opscore: Opscore) -> None:
    api.agents |= {"a": an_agent("a"), "b": an_agent("b", stale=True)}

    shown = opscore("agent", "list", "--condition", "stale").stdout

    assert [line.split("\t")[0] for line in shown.splitlines()] == ["b"]
    assert "stale\tyes\n" in opscore("agent", "show", "b").stdout


def test_an_agent_goes_into_quarantine_and_out_again(api: FakeOpsCore, opscore: Opscore) -> None:
    api.agents["a"] = an_agent("a")

    said = opscore("agent", "quarantine", "a", "--reason", "it lies").stdout
    shown = opscore("agent", "show", "a").stdout
    released = opscore("agent", "release", "a").stdout

    assert said == "agent a is in quarantine\n"
    assert "in quarantine\tagent a: it lies\n" in shown
    assert released == "agent a is released\n"
    assert api.agents["a"]["quarantines"] == []
    assert opscore("agent", "quarantine", "nobody", "--reason", "r").exit_code == 1


def test_quarantines_are_added_listed_and_released(api: FakeOpsCore, opscore: Opscore) -> None:
    capability = "a capability/with all"

    added = opscore("quarantine", "add", "--capability", capability, "--reason", "it lies")
    listed = opscore("quarantine", "list").stdout
    released = opscore("quarantine", "release", "--capability", capability)

    assert added.stdout == f"capability {capability} is in quarantine\n"
    assert listed.split("\t")[:2] == ["capability", capability]
    assert listed.endswith("it lies\n")
    assert released.stdout == f"capability {capability} is released\n"
    assert opscore("quarantine", "release", "--capability", capability).exit_code == 1
    assert opscore("quarantine", "add", "--reason", "of nothing").exit_code == 2


def test_tasks_that_have_not_ended_are_listed(api: FakeOpsCore, opscore: Opscore) -> None:
    at = "2026-11-22T10:00:00Z"
    common = {"workflowId": "w", "taskDefinitionId": "t", "sessionId": "s-1", "createdAt": at}
    api.open_tasks = [
        {**common, "attemptId": "a-1", "status": "SENT", "owner": "agent", "agentId": "writer",
         "waitingList": None, "deadline": at},
        {**common, "attemptId": "a-2", "status": "RECEIVED", "owner": "queue", "agentId": None,
         "waitingList": None, "deadline": None},
    ]  # fmt: skip

    lines = opscore("task", "list").stdout.splitlines()

    shown = [line.split("\t") for line in lines]
    assert [fields[0] for fields in shown] == ["a-1", "a-2"]
    assert [fields[4] for fields in shown] == ["writer", "queue"]
    assert [fields[-1] for fields in shown] == ["s-1", "s-1"]


def test_an_agent_is_deregistered(api: FakeOpsCore, opscore: Opscore) -> None:
    api.agents["a"] = an_agent("a")

    assert opscore("agent", "deregister", "a").stdout == "agent a is deregistered\n"
    assert api.agents == {}
    assert opscore("agent", "deregister", "a").exit_code == 1


def test_what_is_not_there_is_one_line(opscore: Opscore) -> None:
    result = opscore("agent", "show", "nobody")

    assert result.exit_code == 1
    assert result.stderr == "opscore: Agent not found: nobody (404 agent_not_found)\n"
