"""The budgets of architecture.md: requests to AWS and over HTTP, counted; state transitions too.

Each operation runs in a warm process. `pytest -s` prints the table.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest

from opscore.lifecycle.agents import settled
from opscore.models.agent import Agent
from opscore.ports import Item, Key
from opscore.records import keys
from opscore.records.codec import encode
from opscore.workflows.checks import check
from opscore.workflows.compiler import compile_workflow
from tests.support import events
from tests.support.world import World, Worlds, gives_up, is_silent, worlds

WORKFLOW = {"id": "wf", "name": "wf", "tasks": [{"taskId": "step", "agentCapability": "work"}]}


@pytest.fixture(scope="module")
def all_worlds() -> Iterator[Worlds]:
    with worlds() as found:
        yield found


@pytest.fixture
def world(all_worlds: Worlds) -> World:
    found = all_worlds.make()
    found.request("workflow_api", events.workflow(WORKFLOW))
    return found


def calls_of(world: World, what: Callable[[], object], function: str = "") -> list[str]:
    """The names of the calls that something makes, in one function or in all."""
    before = len(world.calls.made)
    what()
    made = world.calls.made[before:]
    return [call.name for call in made if function in ("", call.function)]


def keeps(operation: str, budget: int, calls: list[str]) -> None:
    """Show and assert a line of the table. A call over HTTP is not a request to AWS."""
    aws = [name for name in calls if not name.startswith("http")]
    sys.stdout.write(f"\n{operation:<60} {len(aws)} of {budget}: {', '.join(calls)}")
    assert len(aws) <= budget, f"{operation}: {aws}"


def say(world: World, agent_id: str, state: str, details: dict[str, Any] | None = None) -> Any:
    return lambda: world.say(agent_id, state, details)


def test_report_a_state(world: World) -> None:
    world.agent("a")
    world.say("a", "active")

    keeps("report a state, becoming eligible", 3, calls_of(world, say(world, "a", "idle")))
    keeps("report a state, staying eligible", 2, calls_of(world, say(world, "a", "idle")))
    keeps("report a state, not eligible any more", 2, calls_of(world, say(world, "a", "active")))
    keeps("report an error", 2, calls_of(world, say(world, "a", "error")))


def test_read_a_state(world: World) -> None:
    world.agent("a")

    calls = calls_of(world, lambda: world.request("state_api", events.state("a")))

    keeps("read a state", 1, calls)
    assert calls == ["dynamodb GetItem"]


@pytest.mark.parametrize("key", [None, "key"], ids=["without a key", "with a key"])
@pytest.mark.parametrize("agent_id", [None, "a"], ids=["for no agent", "for an agent"])
def test_trigger(world: World, key: str | None, agent_id: str | None) -> None:
    world.agent("a")
    event = events.trigger("wf", {"n": 1}, agent_id=agent_id, idempotency_key=key)

    calls = calls_of(world, lambda: world.request("session_api", event))

    keeps(f"trigger, agent {agent_id}, idempotency key {key}", 3, calls)
    assert calls[-1] == "sfn StartExecution"


def trigger(world: World) -> None:
    world.request("session_api", events.trigger("wf", {"n": 1}))


def shards_probed(calls: list[str]) -> int:
    return calls.count("dynamodb Query")


@pytest.mark.parametrize("fleet", [1, 10, 1000])
def test_dispatch_to_a_free_agent(world: World, fleet: int) -> None:
    add_agents(world, fleet)
    world.behaviours |= {f"agent-{n:06d}": is_silent for n in range(fleet)}
    trigger(world)

    calls = calls_of(world, world.settle, "task_dispatcher")

    keeps(f"dispatch, {fleet} agents", 5 + shards_probed(calls), calls)
    assert shards_probed(calls) <= 4
    assert calls.count("http POST") == len(world.deliveries) == 1
    if fleet > 100:
        assert shards_probed(calls) == 1


def test_run_a_session_again(world: World) -> None:
    world.agent("a")
    world.agent("b", behaves=gives_up)
    world.plan([{}, {"agentCapability": None, "agentId": "b", "taskId": "second"}], retries=0)
    trigger(world)
    world.settle()
    (old,) = world.executions.executions
    world.say("b", "idle")
    world.behaviours["b"] = is_silent

    calls = calls_of(world, lambda: world.request("session_api", events.rerun(old)))
    keeps("run a session again", 5, calls)
    assert calls[-1] == "sfn StartExecution"

    calls = calls_of(world, world.settle, "task_dispatcher")
    kept, handed_out = calls[: calls.index("http POST")], calls[calls.index("http POST") :]
    end = kept.index("sfn SendTaskSuccess") + 2
    keeps("give a kept result", 7, kept[:end])
    keeps("dispatch to an agent by its id, in a rerun", 6, kept[end:] + handed_out)


def waiting(world: World, operation: str, budget: int, **step: Any) -> str:
    """A session whose step waits; the budget is that of its message. Its id."""
    world.plan([step])
    trigger(world)
    calls = calls_of(world, world.settle, "task_dispatcher")
    keeps(operation, budget, calls)
    return next(iter(world.executions.executions))


def test_ask_a_person(world: World) -> None:
    waiting(world, "have a step wait for a person", 3, kind="approval", prompt="?")
    listed = world.request("task_api", events.approvals())
    assert listed is not None
    event = events.approval_word(listed["items"][0]["taskId"], "approve")

    calls = calls_of(world, lambda: world.request("task_api", event))

    keeps("approve", 4, calls)


def test_wait_for_a_signal(world: World) -> None:
    session = waiting(world, "have a step wait for a signal", 5, kind="signal", signal="go")
    event = events.signal(session, "go", 1, "x")

    calls = calls_of(world, lambda: world.request("session_api", event))

    keeps("send a signal that is waited for", 5, calls)


def test_start_a_child(world: World) -> None:
    world.request("workflow_api", events.workflow(WORKFLOW | {"id": "child"}))
    world.plan([{"kind": "workflow", "childWorkflowId": "child"}])
    trigger(world)
    world.plan([{"agentCapability": "nobody's"}])

    calls = calls_of(world, world.settle, "task_dispatcher")

    keeps("start a child session", 6, calls[: calls.index("sfn StartExecution") + 1])


def test_dispatch_to_an_agent_by_its_id(world: World) -> None:
    world.agent("a", behaves=is_silent)
    world.plan([{"agentCapability": None, "agentId": "a"}])
    trigger(world)

    calls = calls_of(world, world.settle, "task_dispatcher")

    keeps("dispatch to an agent by its id", 5, calls)
    assert calls.count("http POST") == 1


LIMITS = {"maxConcurrent": 500, "ratePerSecond": 100}


@pytest.mark.parametrize("kinds", [["capability"], ["capability", "workflow"]], ids=["one", "two"])
def test_dispatch_and_completion_under_policies(world: World, kinds: list[str]) -> None:
    """A request more for the counters of all of them, however many tasks they allow; and one to see
    whether anyone waits for the slot that is given back.
    """
    for kind in kinds:
        name = {"capability": "work", "workflow": "wf"}[kind]
        world.request("task_api", events.policy("PUT", kind, name, LIMITS))
    world.settle()
    world.agent("a", behaves=is_silent)
    trigger(world)

    calls = calls_of(world, world.settle, "task_dispatcher")
    keeps(f"dispatch under {len(kinds)} policies", 6 + shards_probed(calls), calls)

    (delivery,) = world.deliveries
    details = {"opscore_task_id": delivery.reference}
    world.say("a", "active", details)
    calls = calls_of(world, say(world, "a", "idle", details))
    keeps(f"complete a task under {len(kinds)} policies", 7, calls)


def test_dispatch_while_the_gateway_is_left_alone(world: World) -> None:
    world.agent("a")
    world.statuses["a"] = 503
    for _ in range(3):
        trigger(world)
        world.settle()
        world.clock.forward(1)
    trigger(world)

    calls = calls_of(world, world.settle, "task_dispatcher")

    # Read, agent, the attempt on record, its message hidden; no agent claimed, nothing sent.
    keeps("dispatch while the gateway is left alone", 4 + shards_probed(calls), calls)
    assert "http POST" not in calls


def add_agents(world: World, number: int) -> None:
    """Idle agents, written as they lie in their table."""
    requests = [
        {"PutRequest": {"Item": _attributes(key, item)}}
        for n in range(number)
        for key, item in agent_items(f"agent-{n:06d}", world.clock())
    ]
    table = world.deployment.table("AgentsTable")
    for start in range(0, len(requests), 25):
        batch: Any = {table: requests[start : start + 25]}
        world.deployment.dynamodb.batch_write_item(RequestItems=batch)


def agent_items(agent_id: str, now: int, shards: int = 4) -> Iterator[tuple[Key, Item]]:
    agent = settled(
        Agent(
            agent_id=agent_id,
            agent_name=agent_id,
            version="1",
            capabilities=("work",),
            contact_endpoint=f"http://{agent_id}.test/run",
            registered_at=now,
            state="idle",
        ),
        now,
    )
    yield keys.agent(agent_id), encode(agent) | {"rev": 1}
    yield keys.idle_entry("work", agent_id, now, shards), {"agentId": agent_id, "rev": 1}


def _attributes(key: Key, item: Item) -> dict[str, Any]:
    values = {"pk": key.pk, "sk": key.sk, **item}
    return {
        name: {"BOOL": v}
        if isinstance(v, bool)
        else {"N": str(v)}
        if isinstance(v, int)
        else {"S": v}
        for name, v in values.items()
        if v is not None
    }


@pytest.mark.parametrize("waits", [False, True], ids=["nothing waits", "a task waits"])
@pytest.mark.parametrize("named", [False, True], ids=["without its id", "with its id"])
def test_complete_a_task_by_reports(world: World, named: bool, waits: bool) -> None:
    task = handed_out(world, waits=waits)
    details = {"opscore_task_id": task, "result": 1} if named else {"result": 1}
    world.say("a", "active", details)

    calls = calls_of(world, say(world, "a", "idle", details))

    keeps(f"complete a task by reports, named: {named}, one waits: {waits}", 6, calls)
    assert calls.count("sfn SendTaskSuccess") == 1
    assert calls.count("sqs SendMessage") == waits


@pytest.mark.parametrize("waits", [False, True], ids=["nothing waits", "a task waits"])
@pytest.mark.parametrize("active", [False, True], ids=["says nothing before", "says active before"])
def test_complete_a_task_by_its_agents_word(world: World, active: bool, waits: bool) -> None:
    task = handed_out(world, waits=waits)
    if active:
        world.say("a", "active", {"opscore_task_id": task})
    word = events.own_word(task, "complete", {"agentId": "a", "result": 1})

    calls = calls_of(world, lambda: world.request("task_api", word))

    keeps(f"complete a task by its agent's word, active: {active}, one waits: {waits}", 6, calls)
    assert calls.count("sfn SendTaskSuccess") == 1


@pytest.mark.parametrize("named", [False, True], ids=["without its id", "with its id"])
def test_a_result_schema_costs_one_read_of_reports(world: World, named: bool) -> None:
    world.plan([{"resultSchema": {"type": "integer"}}])
    task = handed_out(world, waits=False)
    details = {"opscore_task_id": task, "result": 1} if named else {"result": 1}
    world.say("a", "active", details)

    calls = calls_of(world, say(world, "a", "idle", details))

    keeps(f"complete a task with a schema by reports, named: {named}", 7, calls)
    assert calls.count("sfn SendTaskSuccess") == 1


def test_a_result_schema_costs_nothing_of_an_agents_own_word(world: World) -> None:
    world.plan([{"resultSchema": {"type": "integer"}}], retries=0)
    task = handed_out(world, waits=False)
    word = events.own_word(task, "complete", {"agentId": "a", "result": "wrong"})

    calls = calls_of(world, lambda: world.request("task_api", word))

    keeps("complete a task with a schema by its agent's word", 6, calls)
    assert calls.count("sfn SendTaskFailure") == 1


def test_a_task_fails(world: World) -> None:
    task = handed_out(world, waits=True)
    world.say("a", "active", {"opscore_task_id": task})

    calls = calls_of(world, say(world, "a", "error", {"opscore_task_id": task}))

    keeps("fail a task by a report", 6, calls)


def handed_out(world: World, *, waits: bool) -> str:
    """A task that agent a has; and another that waits for an agent. Returns the first's id."""
    world.agent("a", behaves=is_silent)
    for _ in range(2 if waits else 1):
        trigger(world)
        world.settle()
    (delivery,) = world.deliveries
    return delivery.reference


def test_authorizer(world: World) -> None:
    digest = sha256(b"opscore_key").hexdigest()
    item: Any = {"pk": {"S": f"key#{digest}"}, "sk": {"S": "key"}, "scope": {"S": "agent"}}
    world.deployment.dynamodb.put_item(TableName=world.deployment.table("KeysTable"), Item=item)
    event = events.authorization("opscore_key", "GET /v1/opscore/agents")

    calls = calls_of(world, lambda: world.invoke("authorizer", event))

    keeps("authorizer", 1, calls)
    assert calls == ["dynamodb GetItem"]


def sequence(number: int) -> dict[str, Any]:
    tasks = [{"taskId": f"t{n}", "agentCapability": "work"} for n in range(number)]
    return {"id": "seq", "name": "seq", "tasks": tasks}


@pytest.mark.parametrize("number", [1, 2, 5, 50])
def test_a_definition_has_a_state_for_each_task(number: int) -> None:
    workflow = check(sequence(number)).require()

    states = json.loads(compile_workflow(workflow, "queue"))["States"]

    assert len(states) <= number + 1
    assert sum(state["Type"] == "Task" for state in states.values()) == number
