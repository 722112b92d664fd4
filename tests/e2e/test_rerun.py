"""Sessions run again, and dead letters are found, replayed and discarded."""

from __future__ import annotations

from tests.e2e.agents import Fleet, fresh
from tests.e2e.api import Api, attempts, step, workflow
from tests.e2e.waiting import eventually


def test_a_failed_session_runs_again_from_what_failed(api: Api, fleet: Fleet) -> None:
    agent = fleet.add()
    definition = workflow(step("first"), step("second"))
    api.put(f"workflow/{definition['id']}", definition)
    old = api.start(definition["id"], {"n": 1}, agent.agent_id)
    agent.done(agent.next_run(), {"found": [1, 2]})
    agent.say("fail", agent.next_run(), errorCode="DiskFull", message="no room")
    agent.report("idle")
    assert api.end(old)["status"] == "failed"

    begun = api.post(f"session/{old}/rerun")

    assert begun.status_code == 202, begun.text
    new = begun.json()
    assert (new["kept"], new["fromTasks"], new["rerunOf"]) == (["first"], ["second"], old)
    agent.done(agent.next_run(), "saved")
    session = api.end(new["sessionId"])
    assert (session["status"], session["result"]) == ("completed", "saved")
    (kept,) = attempts(session, "first")
    assert kept["keptFrom"]["sessionId"] == old
    assert agent.idle_for(0.5)
    assert api.read(f"session/{old}")["reruns"] == [new["sessionId"]]


def test_a_dead_letter_is_replayed_onto_another_agent(api: Api, fleet: Fleet) -> None:
    gone = fleet.add()
    gone.close()
    definition = workflow(step(agentId=gone.agent_id, parameters={"text": "One."}))
    old = api.start(definition)
    assert api.end(old, seconds=60)["status"] == "failed"

    def found() -> list[str]:
        wanted = {"workflowId": definition["id"], "state": "open"}
        return [one["deadLetterId"] for page in api.pages("dead-letters", **wanted) for one in page]

    letter_id, *_ = eventually(found)
    (group,) = api.read("dead-letters/groups", workflowId=definition["id"])["items"]
    assert (group["error"], group["agentId"]) == ("Undelivered", gone.agent_id)
    other = fleet.add(fresh("other"))
    body = {"workflowId": definition["id"], "agentId": other.agent_id}
    planned = api.post("dead-letters/replay", {**body, "dryRun": True}).json()["items"]
    assert planned[0]["rerun"]["fromTasks"] == ["work"]

    (replayed,) = api.post("dead-letters/replay", body).json()["items"]

    run = other.next_run()
    assert run.parameters == {"text": "One."}
    other.done(run, "done")
    assert api.end(replayed["sessionId"])["result"] == "done"
    letter = api.read(f"dead-letter/{letter_id}")
    assert (letter["state"], letter["replayedAs"]) == ("replayed", replayed["sessionId"])
    assert letter["settledBy"]
    refused = api.post(f"dead-letter/{letter_id}/discard", {"reason": "too late"})
    assert (refused.status_code, refused.json()["code"]) == (409, "dead_letter_settled")
