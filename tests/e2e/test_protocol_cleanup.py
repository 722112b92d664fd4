"""What follows a bad end, and what schemas keep out, on the deployed stack."""

from __future__ import annotations

from tests.e2e.agents import Fleet, fresh
from tests.e2e.api import Api, attempts, step, workflow
from tests.e2e.waiting import eventually


def test_a_session_that_fails_undoes_what_it_did_and_is_final_then(api: Api, fleet: Fleet) -> None:
    agent = fleet.add()
    undo = step("undo", agentId=agent.agent_id, parameters={"id": "{% $tasks.book.id %}"})
    del undo["taskId"]
    tell = step("tell", agentId=agent.agent_id, parameters={"why": "{% $error %}"})
    definition = workflow(
        step("book", compensate=undo),
        step("pay", resultSchema={"type": "integer"}),
        onFailure=[tell],
    )
    session_id = api.start(definition, {}, agent.agent_id)

    agent.done(agent.next_run(), {"id": 7})
    agent.done(agent.next_run(), "no integer")
    undoing = agent.next_run()
    between = api.read(f"session/{session_id}")
    agent.done(undoing)
    telling = agent.next_run()
    agent.done(telling)
    session = api.end(session_id)

    assert undoing.parameters == {"id": 7}
    assert (between["status"], between["ending"]["status"]) == ("running", "failed")
    assert telling.parameters["why"]["code"] == "InvalidResult"
    assert telling.parameters["why"]["taskId"] == "pay"
    assert (session["status"], session["error"]["code"]) == ("failed", "InvalidResult")
    assert session["error"]["message"] == 'result: the value is not of type "integer"'
    assert session["ending"]["cleanup"] == {"status": "completed", "error": None}
    phases = {task["taskDefinitionId"]: task["phase"] for task in session["tasks"]}
    assert phases == {"book": "main", "pay": "main", "book (compensate)": "after", "tell": "after"}
    assert attempts(session, "pay")[0]["error"]["code"] == "InvalidResult"


def test_a_cancelled_session_tidies_up_until_somebody_stops_that(api: Api, fleet: Fleet) -> None:
    agent = fleet.add()
    tell = step("tell", agentId=agent.agent_id)
    session_id = api.start(workflow(step(), onFailure=[tell]), {}, agent.agent_id)
    held = agent.next_run()

    first = api.post(f"session/{session_id}/cancel").json()
    assert agent.say("complete", held, result=1).status_code == 409
    agent.report("idle")
    agent.next_run()
    again = api.post(f"session/{session_id}/cancel").json()
    last = api.post(f"session/{session_id}/cancel", {"cleanup": False}).json()

    assert [first["status"], again["status"], last["status"]] == ["running"] * 2 + ["cancelled"]
    assert api.read(f"session/{session_id}")["ending"]["cleanup"]["status"] == "stopped"
    eventually(lambda: api.read(f"agent/{agent.agent_id}")["openTasks"] == [])


def test_an_input_that_does_not_fit_and_a_deleted_workflow_start_nothing(api: Api) -> None:
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    definition = workflow(step(agentCapability=fresh("nobody")), input=schema)
    name = definition["id"]
    assert api.put(f"workflow/{name}", definition).status_code == 201

    wrong = api.post("sessions", {"workflowDefinitionId": name, "initialPayload": {"n": "x"}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "input_invalid")
    assert wrong.json()["detail"][0]["loc"] == ["body", "initialPayload", "n"]
    api.post(f"session/{api.start(name, {'n': 1})}/cancel")
    assert api.delete(f"workflow/{name}").status_code == 200
    gone = api.post("sessions", {"workflowDefinitionId": name, "initialPayload": {"n": 1}})
    assert (gone.status_code, gone.json()["code"]) == (404, "workflow_not_found")
    assert len(api.pages("sessions", workflowId=name)[0]) == 1
