"""How tasks end: by what agents say of them, in whatever way and order they say it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.agents import Agent, Behaviour, Fleet, Run, echoes, errs, fresh, pair
from tests.e2e.api import Api, attempts, step, workflow
from tests.e2e.waiting import eventually


def pair_the_wrong_way_round(agent: Agent, run: Run) -> None:
    """The pair's `idle` overtakes its `active`."""
    active = datetime.now(UTC)
    idle = active + timedelta(milliseconds=20)
    agent.report("idle", at=idle.isoformat())
    agent.report("active", at=active.isoformat())


def clock_of_its_own(agent: Agent, run: Run) -> None:
    """Its reports are dated an hour ago: no clock of ours is compared with the agent's."""
    since = datetime.now(UTC) - timedelta(hours=1)
    agent.report("active", at=since.isoformat())
    agent.report("idle", at=(since + timedelta(milliseconds=20)).isoformat())


@pytest.mark.parametrize("inside", [False, True], ids=["after its answer", "inside the request"])
@pytest.mark.parametrize("behave", [echoes, pair, pair_the_wrong_way_round])
def test_agent_of_the_contract_finishes_its_tasks(
    behave: Behaviour, inside: bool, api: Api, fleet: Fleet
) -> None:
    """With or without the task's id; `active` and `idle` 20 ms apart, in either order."""
    agent = fleet.add(behave=behave, inside=inside)
    definition = workflow(step("first"), step("second"))

    session = api.end(api.start(definition, {"n": 1}, agent.agent_id))

    assert session["status"] == "completed"
    assert [task["status"] for task in session["tasks"]] == ["completed", "completed"]
    assert [len(task["attempts"]) for task in session["tasks"]] == [1, 1]
    assert agent.runs.qsize() == 2


def test_agent_s_clock_may_be_slow(api: Api, fleet: Fleet) -> None:
    agent = fleet.add(behave=clock_of_its_own, idle=False)
    agent.report("idle", at=(datetime.now(UTC) - timedelta(hours=2)).isoformat())

    session = api.end(api.start(workflow(step()), None, agent.agent_id))

    assert session["status"] == "completed"


def test_result_is_details_result_or_else_the_other_details(api: Api, fleet: Fleet) -> None:
    agent = fleet.add()
    results = []
    for details in ({"result": [1, None, "é"]}, {"a": 1, "b": {}}, {}, {"result": None}):
        session_id = api.start(workflow(step()), None, agent.agent_id)
        agent.report("finished", {"opscore_task_id": agent.next_run().reference, **details})
        results.append(api.end(session_id)["result"])

    assert results == [[1, None, "é"], {"a": 1, "b": {}}, {}, None]


def test_agent_that_ends_in_error_and_never_says_idle_gets_work_again(
    api: Api, fleet: Fleet
) -> None:
    """Its task is retried, on another agent; it is eligible after a short cool-down."""
    capability = fresh("erring")
    erring = fleet.add(capability, behave=errs)
    session_id = api.start(workflow(step(retries=1, agentCapability=capability)))
    api.attempt(session_id, "PARKED")
    other = fleet.add(capability)

    other.done(other.next_run(), {"by": "other"})

    session = api.end(session_id)
    assert session["result"] == {"by": "other"}
    assert [(a["agentId"], a["outcome"]) for a in attempts(session)] == [
        (erring.agent_id, "failed"),
        (other.agent_id, "completed"),
    ]
    assert attempts(session)[0]["error"] == {"code": "AgentError", "message": "could not do it"}
    assert api.read(f"agent/{erring.agent_id}")["state"] == "error"
    erring.next_run()
    again = api.start(workflow(step()), None, erring.agent_id)
    assert erring.next_run(seconds=10).session_id == again
    assert api.end(again)["status"] == "failed"


def test_error_code_of_the_agent_s_own_is_the_task_s(api: Api, fleet: Fleet) -> None:
    agent = fleet.add()
    session_id = api.start(workflow(step()), None, agent.agent_id)
    reference = agent.next_run().reference

    agent.report(
        "error", {"opscore_task_id": reference, "errorCode": "OutOfPaper", "error": "tray 2"}
    )

    assert api.end(session_id)["error"] == {"code": "OutOfPaper", "message": "tray 2"}


def test_once_named_only_reports_that_name_the_task_end_it(api: Api, fleet: Fleet) -> None:
    agent = fleet.add()
    session_id = api.start(workflow(step()), None, agent.agent_id)
    run = agent.next_run()
    agent.report("active", {"opscore_task_id": run.reference})
    agent.report("active")
    agent.report("idle")
    assert api.attempt(session_id, "RUNNING")["outcome"] is None

    agent.done(run, "named")

    assert api.end(session_id)["result"] == "named"


@pytest.mark.parametrize("reference", ["{attempt}.2", "{attempt}", "task_nobody.1", "nonsense"])
def test_report_that_names_another_task_says_nothing_of_this_one(
    reference: str, api: Api, fleet: Fleet
) -> None:
    agent = fleet.add()
    session_id = api.start(workflow(step()), None, agent.agent_id)
    run = agent.next_run()
    other = reference.format(attempt=run.reference.rpartition(".")[0])

    agent.report("active", {"opscore_task_id": other})
    agent.report("idle", {"opscore_task_id": other})

    assert api.read(f"session/{session_id}")["tasks"][0]["attempts"][0]["outcome"] is None
    agent.done(run, "mine")
    assert api.end(session_id)["result"] == "mine"


def test_late_pair_of_a_timed_out_task_does_not_end_the_next_one(api: Api, fleet: Fleet) -> None:
    agent = fleet.add()
    timed_out = api.start(workflow(step(timeout="1s")), None, agent.agent_id)
    agent.next_run()
    assert api.end(timed_out)["error"]["code"] == "AgentTimeout"
    waiting = api.start(workflow(step()), None, agent.agent_id)

    pair(agent, Run({}, {}))

    run = agent.next_run()
    assert run.session_id == waiting
    time.sleep(0.3)
    assert api.read(f"session/{waiting}")["status"] == "running"
    agent.done(run, "its own")
    assert api.end(waiting)["result"] == "its own"


def test_agent_with_two_slots_has_two_tasks_and_ends_each_by_name(api: Api, fleet: Fleet) -> None:
    agent = fleet.add(maxConcurrency=2)
    sessions = {api.start(workflow(step()), None, agent.agent_id) for _ in range(3)}
    first, second = agent.next_run(), agent.next_run()
    assert agent.idle_for(0.3)

    agent.report("active", {"opscore_task_id": second.reference})
    agent.report("idle", {"opscore_task_id": second.reference, "result": "second"})

    assert api.end(second.session_id)["result"] == "second"
    third = agent.next_run()
    assert api.read(f"session/{first.session_id}")["status"] == "running"
    agent.done(first, "first")
    agent.done(third, "third")
    assert api.end(first.session_id)["result"] == "first"
    assert api.end(third.session_id)["result"] == "third"
    assert {run.session_id for run in (first, second, third)} == sessions


def test_complete_ends_a_task_and_its_identical_repeat_gets_the_same_answer(
    api: Api, fleet: Fleet
) -> None:
    agent = fleet.add()
    session_id = api.start(workflow(step()), None, agent.agent_id)
    run = agent.next_run()

    first = agent.say("complete", run, agentId=agent.agent_id, result={"n": 1})
    again = agent.say("complete", run, agentId=agent.agent_id, result={"n": 1})

    assert (first.status_code, first.json()["status"]) == (200, "success")
    assert (again.status_code, again.json()) == (200, first.json())
    assert api.end(session_id)["result"] == {"n": 1}
    late = agent.say("complete", run, agentId=agent.agent_id, result={"n": 1})
    assert (late.status_code, late.json()) == (200, first.json())


def test_other_word_after_the_outcome_is_409(api: Api, fleet: Fleet) -> None:
    agent = fleet.add()
    session_id = api.start(workflow(step()), None, agent.agent_id)
    run = agent.next_run()
    agent.say("complete", run, result={"n": 1})

    other = agent.say("complete", run, result={"n": 2})
    failed = agent.say("fail", run)
    beat = agent.say("heartbeat", run)

    assert (other.status_code, other.json()["code"]) == (409, "outcome_differs")
    assert (failed.status_code, failed.json()["code"]) == (409, "outcome_differs")
    assert (beat.status_code, beat.json()["code"]) == (409, "stale_task")
    assert api.end(session_id)["result"] == {"n": 1}


@pytest.mark.parametrize("word", ["complete", "fail", "heartbeat"])
def test_only_the_holder_of_the_lease_is_heard(word: str, api: Api, fleet: Fleet) -> None:
    agent = fleet.add()
    session_id = api.start(workflow(step()), None, agent.agent_id)
    run = agent.next_run()
    attempt_id = run.reference.rpartition(".")[0]

    stale = api.post(f"task/{attempt_id}.2/{word}", {})
    other = api.post(f"task/{run.reference}/{word}", {"agentId": "someone-else"})
    unknown = api.post(f"task/task_nobody.1/{word}", {})
    unfenced = api.post(f"task/{attempt_id}/{word}", {})

    assert (stale.status_code, stale.json()["code"]) == (409, "stale_task")
    assert (other.status_code, other.json()["code"]) == (409, "stale_task")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "task_not_found")
    assert unfenced.status_code == 404
    agent.done(run)
    assert api.end(session_id)["status"] == "completed"


def test_fail_gives_the_task_its_error_and_is_retried(api: Api, fleet: Fleet) -> None:
    capability = fresh("fails")
    first, second = fleet.add(capability), fleet.add(capability)
    session_id = api.start(workflow(step(retries=1, agentCapability=capability)))
    agent = eventually(lambda: next((a for a in (first, second) if a.runs.qsize()), None))
    other = second if agent is first else first

    answer = agent.say("fail", agent.next_run(), errorCode="Jammed", message="paper")

    assert answer.status_code == 200
    other.done(other.next_run(), "elsewhere")
    session = api.end(session_id)
    assert session["result"] == "elsewhere"
    assert attempts(session)[0]["error"] == {"code": "Jammed", "message": "paper"}


def test_task_is_shown_by_its_reference_or_its_attempt_s_id(api: Api, fleet: Fleet) -> None:
    agent = fleet.add()
    session_id = api.start(workflow(step(name="Shown")), {"in": 1}, agent.agent_id)
    run = agent.next_run()

    shown = api.read(f"task/{run.reference}")

    assert shown == api.read(f"task/{run.reference.rpartition('.')[0]}")
    assert (shown["sessionId"], shown["name"], shown["payload"]) == (session_id, "Shown", {"in": 1})
    assert shown["agentId"] == agent.agent_id
    assert api.get("task/task_nobody").status_code == 404
    agent.done(run, {"out": 2})
    api.end(session_id)
    after = api.read(f"task/{run.reference}")
    assert (after["status"], after["result"]) == ("CLOSED", {"out": 2})
