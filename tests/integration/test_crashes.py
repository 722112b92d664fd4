"""A process may end between any two of its calls: nothing is lost, no outcome is accepted twice.

Each scenario is run once to see its calls, and then once for each place between them, with the
process ending there. What follows is what happens in the world: messages come again, callers and
events insist or don't, time passes, the sweeper runs. The calls are taken from the code as it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from opscore.lifecycle.cleanup import SUFFIX
from tests.support import events
from tests.support.calls import Calls, CrashPoint
from tests.support.world import (
    Behaviour,
    Delivery,
    World,
    Worlds,
    completes,
    fails,
    gives_up,
    is_silent,
    names_its_task,
    names_no_task,
    overtakes_itself,
    worlds,
)

WORKFLOW = {"id": "wf", "name": "wf", "tasks": [{"taskId": "step", "agentCapability": "work"}]}
KEY = "only-once"

HANDLE_TASKS = ("task_dispatcher", "state_api", "task_api", "failure_handler", "sweeper")
AGENTS_WORD = ("state_api", "task_api")
EVERYTHING = (*HANDLE_TASKS, "session_api", "execution_recorder")

INSISTENCE = {
    "task_dispatcher": (True,),
    "failure_handler": (True,),
    "sweeper": (True,),
    "execution_recorder": (False,),
}
"""Whether who invoked a function does so once more after a crash: both for those not listed. Of
queues and schedules it is sure; of events, that they come once more only makes it easier.
"""

Act = Callable[[World], None]


def nothing(_: World) -> None:
    """No preparation."""


@dataclass(frozen=True)
class Scenario:
    """`act` is what may be cut off, in those functions. Its sessions end in `ends`; after the loss
    of a word that nobody repeats, in `or_ends` too; those of `prepare` in `ended`. `also`: what
    else is wrong in the end.
    """

    name: str
    act: Act
    prepare: Act = nothing
    within: Collection[str] = HANDLE_TASKS
    ends: str = "SUCCEEDED"
    ended: str | None = None
    or_ends: str | None = None
    sessions: int = 1
    also: Callable[[World], list[str]] = lambda _: []


def fails_the_second(world: World, task: Delivery) -> None:
    """Does the first task that it gets, fails the next."""
    first = sum(delivery.agent_id == task.agent_id for delivery in world.deliveries) == 1
    (names_its_task if first else fails)(world, task)


def trigger(world: World) -> None:
    world.request("session_api", events.trigger("wf", {"n": 1}, idempotency_key=KEY))


def run(world: World) -> None:
    trigger(world)
    world.settle()


def tidying(behaves: Behaviour) -> Act:
    """A workflow that tidies up; agent a does its step so, and agent b what follows a bad end."""

    def prepare(world: World) -> None:
        undo = {"compensate": {"agentCapability": "tidy"}}
        task = {"taskId": "step", "agentCapability": "work"} | undo
        handlers = {"onFailure": [{"taskId": "tell", "agentCapability": "tidy"}]}
        world.request("workflow_api", events.workflow(WORKFLOW | {"tasks": [task]} | handlers))
        world.plan(
            [{}, {"taskId": "second"}],
            retries=0,
            after=[
                {"taskId": "step (compensate)", "agentCapability": "tidy"},
                {"taskId": "tell", "agentCapability": "tidy"},
            ],
        )
        world.agent("a", behaves=behaves)
        world.agent("b", "tidy")

    return prepare


def tidied_up(world: World) -> list[str]:
    """What is wrong with the tidying up of a session, if it ended badly."""
    executions = world.executions.executions.values()
    after = [execution for execution in executions if execution.name.endswith(SUFFIX)]
    done = [delivery.reference for delivery in world.deliveries if delivery.agent_id == "b"]
    faults = [f"cleanup {execution.status}" for execution in after if execution.starts > 1]
    if world.given_up:
        return faults  # the word on its tasks got lost, and may have failed them
    if [execution.status for execution in after] != ["SUCCEEDED"] * len(after):
        faults.append(f"cleanups ended {after}")
    if len(set(done)) != 2 * len(after):
        faults.append(f"{done} were done")
    return faults


def replace_version(world: World) -> None:
    """A new version; and the sweeper an hour later."""
    run(world)
    world.request("workflow_api", events.workflow(WORKFLOW | {"name": "next"}))
    world.clock.forward(3601)
    world.sweep()


def only_current_machines(world: World) -> list[str]:
    """What there is of state machines, a day later, beside the current version's."""
    world.clock.forward(25 * 3600)
    world.sweep()
    items = world.deployment.items("WorkflowsTable")
    current = {item["machineArn"] for item in items if item["sk"] == "current"}
    left = world.executions.machines.keys() - current
    missing = current - world.executions.machines.keys()
    return [f"left: {left}, missing: {missing}"] if left or missing else []


def two_agents(world: World) -> None:
    world.agent("a")
    world.agent("b")


def one_that(behaves: Behaviour, *, at_once: bool = False) -> Act:
    """Agent a behaves so, agent b as the best of them; a has been idle for longer."""

    def prepare(world: World) -> None:
        world.agent("a", behaves=behaves)
        world.agent("b")
        if at_once:
            world.at_once = {"a", "b"}

    return prepare


def answering(status: int) -> Act:
    """Two agents; the gateway answers so for the first."""

    def prepare(world: World) -> None:
        two_agents(world)
        world.statuses["a"] = status

    return prepare


def park_then_register(world: World) -> None:
    run(world)
    world.agent("a")
    world.settle()


def park_then_report(world: World) -> None:
    """The agent's word comes before its registration, as with AgentKit."""
    run(world)
    world.say_early("a", "idle")
    world.register("a", "work")
    world.settle()


def busy_agent(world: World) -> None:
    """The only agent works on another session's task."""
    world.agent("a", behaves=is_silent)
    world.request("session_api", events.trigger("wf", {"n": 0}))
    world.settle()
    world.behaviours["a"] = names_its_task


def park_then_free(world: World) -> None:
    run(world)
    (first,) = world.deliveries
    names_its_task(world, first)
    world.settle()


def wait_for_deadline(world: World) -> None:
    run(world)
    world.clock.forward(62)
    world.settle()


def sweep_at_deadline(world: World) -> None:
    run(world)
    world.clock.forward(60.5)
    world.sweep()
    world.settle()


def wait_in_vain(world: World) -> None:
    world.plan([{"waitTimeout": 30}], retries=0)
    run(world)
    world.clock.forward(32)
    world.settle()


def gateway_away(world: World) -> None:
    """Nothing can be sent for a while."""
    two_agents(world)
    world.statuses |= {"a": 503, "b": 503}


def gateway_back(world: World) -> None:
    run(world)
    world.statuses.clear()
    world.clock.forward(5)
    world.settle()


def undeliverable(world: World) -> None:
    world.plan([{}], retries=0)
    undeliverable_as_planned(world)


def undeliverable_as_planned(world: World) -> None:
    run(world)
    for seconds in (5, 10, 20, 40, 80, 160):
        world.clock.forward(seconds)
        world.settle()


def cancel(world: World) -> None:
    run(world)
    world.person("cancel")
    world.settle()


def pause_and_resume(world: World) -> None:
    trigger(world)
    world.person("pause")
    world.settle()
    world.person("resume")
    world.settle()


def deregister(world: World) -> None:
    run(world)
    # The second time it may be gone already.
    world.request("state_api", events.deregistration("a"), insists=True, answers=(200, 404))
    world.settle()


def quarantine(world: World) -> None:
    run(world)
    world.request("state_api", events.quarantine(version="1"), insists=True)
    world.settle()


def silent_and_newer(world: World) -> None:
    """Agent a, of the version 1, has the task and says nothing; b is of another."""
    world.agent("a", behaves=is_silent)
    world.agent("b", version="2")


def task_without_template(world: World) -> None:
    body = {"agentCapability": "work", "parameters": {}}
    event = events.http("POST", "/v1/opscore/task", body, headers={"Idempotency-Key": KEY})
    world.request("task_api", event)
    world.settle()


def inline(world: World) -> None:
    world.request("session_api", events.trigger(WORKFLOW, idempotency_key=KEY, agent_id="a"))
    world.settle()


def two_steps(world: World) -> None:
    world.plan([{}, {"agentId": "b", "taskId": "second"}])
    two_agents(world)


def half_done(world: World) -> None:
    """A session whose first task was done and whose second failed."""
    two_agents(world)
    world.plan([{}, {"agentId": "b", "taskId": "second"}], retries=0)
    world.behaviours["b"] = gives_up
    run(world)
    world.behaviours["b"] = names_its_task
    world.say("b", "idle")


def run_again(world: World) -> None:
    (old,) = world.executions.executions
    world.request("session_api", events.rerun(old, idempotency_key=f"{KEY} more"))
    world.settle()


def done_once(world: World) -> list[str]:
    """What is wrong with a rerun: the first task was done already."""
    steps = [delivery.body["payload"]["task_definition_id"] for delivery in world.deliveries]
    return [] if steps.count("step") == 1 else [f"handed out: {steps}"]


def limited(**limits: float) -> Act:
    """Two agents, and a policy of their capability."""

    def prepare(world: World) -> None:
        two_agents(world)
        event = events.policy("PUT", "capability", "work", limits)
        world.request("task_api", event, insists=True)

    return prepare


def two_sessions(world: World) -> None:
    trigger(world)
    world.request("session_api", events.trigger("wf", {"n": 2}, idempotency_key="second"))
    world.settle()


def one_after_the_other(world: World) -> None:
    two_sessions(world)
    world.clock.forward(2)
    world.settle()


def policy_paused(world: World) -> None:
    two_agents(world)
    world.request("task_api", events.policy("POST", "workflow", "wf", move="pause"), insists=True)


def policy_resumed(world: World) -> None:
    run(world)
    world.request("task_api", events.policy("POST", "workflow", "wf", move="resume"), insists=True)
    world.settle()


def waiting_for(**step: Any) -> Act:
    """Sessions of one step that waits for what is no agent's, for five minutes at the most."""

    def prepare(world: World) -> None:
        two_agents(world)
        world.plan([{"timeout": 300} | step], retries=0)

    return prepare


def asked(world: World) -> None:
    waiting_for(kind="approval", prompt="?")(world)
    run(world)


def approve(world: World) -> None:
    listed = world.request("task_api", events.approvals()) or {"items": []}
    for approval in listed["items"]:
        world.request("task_api", events.approval_word(approval["taskId"], "approve"))
    world.settle()


def wait_too_long(world: World) -> None:
    run(world)
    world.clock.forward(302)
    world.settle()


def signal_all(world: World) -> None:
    for session_id in list(world.executions.executions):
        world.request("session_api", events.signal(session_id, "go", 1, "only-once"))
    world.settle()


def signal_first(world: World) -> None:
    trigger(world)
    signal_all(world)


def signal_later(world: World) -> None:
    run(world)
    signal_all(world)


def with_child(prepare_agents: Act = two_agents) -> Act:
    """Sessions of one step, which is a session of another workflow."""

    def prepare(world: World) -> None:
        world.request("workflow_api", events.workflow(WORKFLOW | {"id": "child"}))
        prepare_agents(world)
        step = {"kind": "workflow", "childWorkflowId": "child", "timeout": 2000}
        world.plan([step], retries=0)
        world.plan([{}], of="child", retries=0)

    return prepare


def child_at_work(world: World) -> None:
    """A session, and the child that it waits for, whose agent is silent."""
    with_child(one_that(is_silent))(world)
    world.plan([{"timeout": 3000}], of="child", retries=0)
    run(world)


def cancel_parent(world: World) -> None:
    parent, _ = world.executions.executions
    world.request("session_api", events.session_move(parent, "cancel"), insists=True)
    world.settle()


def child_too_late(world: World) -> None:
    world.clock.forward(2002)
    world.settle()


def dead_after_half(world: World) -> None:
    """A session whose first task was done, and whose second became a dead letter."""
    two_agents(world)
    world.plan([{}, {"agentId": "b", "taskId": "second"}], retries=0)
    world.statuses["b"] = 503
    undeliverable_as_planned(world)
    world.statuses.clear()


def replay(world: World) -> None:
    (letter,) = (i for i in world.deployment.items("WorkTable") if i["sk"] == "deadLetter")
    world.request("task_api", events.replay(letter["deadLetterId"]))
    world.settle()


def replayed_once(world: World) -> list[str]:
    """What is wrong with a replay: letter and session must say the same, and no result be lost."""
    work = world.deployment.items("WorkTable")
    (letter,) = (i for i in work if i["sk"] == "deadLetter")
    reruns = [i["sessionId"] for i in work if i["sk"] == "session" and "rerun" in i]
    as_said = [letter["replayedAs"]] if letter["state"] == "replayed" else []
    return done_once(world) + ([] if as_said == reruns else [f"{letter}, but {reruns}"])


def hand_out_refused(world: World) -> None:
    """What was parked is refused by the agent that came for it."""
    run(world)
    world.statuses["a"] = 422
    world.agent("a")
    world.settle()
    world.agent("b")
    world.settle()


SCENARIOS = [
    Scenario("an agent is free, and names its task", run, two_agents, within=EVERYTHING),
    Scenario("an agent names no task", run, one_that(names_no_task), within=AGENTS_WORD),
    Scenario(
        "an agent's two reports overtake each other",
        run,
        one_that(overtakes_itself),
        within=AGENTS_WORD,
    ),
    Scenario("an agent works inside the request", run, one_that(names_its_task, at_once=True)),
    Scenario(
        "an agent that names no task works inside the request",
        run,
        one_that(names_no_task, at_once=True),
    ),
    Scenario(
        "an agent fails, and the next does it",
        run,
        one_that(fails),
        within=AGENTS_WORD,
        or_ends="FAILED",
    ),
    Scenario("an agent completes by its own word", run, one_that(completes), within=AGENTS_WORD),
    Scenario(
        "an agent gives up by its own word",
        run,
        one_that(gives_up),
        within=AGENTS_WORD,
        or_ends="FAILED",
    ),
    Scenario("a task waits until an agent registers", park_then_register),
    Scenario("a task waits for an agent that spoke too early", park_then_report),
    Scenario("a task waits until an agent is free", park_then_free, busy_agent, sessions=2),
    Scenario("what waited is refused, and goes to the next", hand_out_refused),
    Scenario("an agent refuses, and the next takes it", run, answering(422)),
    Scenario("an agent is gone, and the next takes it", run, answering(404)),
    Scenario("the gateway is away for a while", gateway_back, gateway_away),
    Scenario("a dead letter", undeliverable, gateway_away, within=EVERYTHING, ends="FAILED"),
    Scenario(
        "an agent says nothing, its deadline's message comes",
        wait_for_deadline,
        one_that(is_silent),
        within=["task_dispatcher"],
    ),
    Scenario(
        "an agent says nothing, the sweeper comes",
        sweep_at_deadline,
        one_that(is_silent),
        within=["sweeper"],
    ),
    Scenario("no agent comes in time", wait_in_vain, ends="FAILED"),
    Scenario(
        "a session is cancelled",
        cancel,
        one_that(is_silent),
        within=EVERYTHING,
        ends="ABORTED",
        or_ends="SUCCEEDED",
    ),
    Scenario(
        "a session fails, and tidies up",
        run,
        tidying(fails_the_second),
        within=("execution_recorder", "sweeper"),
        ends="FAILED",
        also=tidied_up,
    ),
    Scenario(
        "a session is cancelled, and tidies up",
        cancel,
        tidying(is_silent),
        within=["session_api"],
        ends="ABORTED",
        or_ends="FAILED",  # nobody knew of the session, and so nobody cancelled it
        also=tidied_up,
    ),
    Scenario(
        "a version is replaced, and its machine collected",
        replace_version,
        two_agents,
        within=("workflow_api", "sweeper"),
        also=only_current_machines,
    ),
    Scenario("a session is paused and resumed", pause_and_resume, two_agents, within=EVERYTHING),
    Scenario(
        "a task waits for the limit of its capability",
        two_sessions,
        limited(maxConcurrent=1),
        within=["task_dispatcher", "state_api"],
        sessions=2,
    ),
    Scenario(
        "a task waits for the rate of its capability",
        one_after_the_other,
        limited(ratePerSecond=1),
        within=["task_dispatcher"],
        sessions=2,
    ),
    Scenario(
        "a paused workflow is resumed",
        policy_resumed,
        policy_paused,
        within=["task_dispatcher", "task_api"],
    ),
    Scenario(
        "an agent is deregistered in the middle",
        deregister,
        one_that(is_silent),
        within=["state_api"],
    ),
    Scenario(
        "a version goes into quarantine, and the next agent does it",
        quarantine,
        silent_and_newer,
        within=["state_api"],
    ),
    Scenario("a task without a template", task_without_template, two_agents, within=["task_api"]),
    Scenario("an inline definition for an agent", inline, two_agents, within=["session_api"]),
    Scenario("two tasks in sequence", run, two_steps),
    Scenario(
        "a session runs again",
        run_again,
        half_done,
        within=EVERYTHING,
        ended="FAILED",
        sessions=2,
        also=done_once,
    ),
    Scenario(
        "a person approves",
        approve,
        asked,
        within=("task_api",),
        or_ends="FAILED",
    ),
    Scenario(
        "nobody approves",
        wait_too_long,
        waiting_for(kind="approval", prompt="?"),
        ends="FAILED",
    ),
    Scenario(
        "a signal comes before its step",
        signal_first,
        waiting_for(kind="signal", signal="go"),
        within=("task_dispatcher", "session_api"),
        or_ends="FAILED",
    ),
    Scenario(
        "a signal comes when its step waits",
        signal_later,
        waiting_for(kind="signal", signal="go"),
        within=("task_dispatcher", "session_api"),
        or_ends="FAILED",
    ),
    Scenario(
        "a session has a child",
        run,
        with_child(),
        within=("task_dispatcher", "execution_recorder"),
        sessions=2,
    ),
    Scenario(
        "a child fails, and its parent with it",
        run,
        with_child(one_that(gives_up)),
        within=("execution_recorder",),
        ends="FAILED",
        sessions=2,
    ),
    Scenario(
        "a session is cancelled with its child",
        cancel_parent,
        child_at_work,
        within=EVERYTHING,
        ends="ABORTED",
        sessions=2,
    ),
    Scenario(
        "a child takes too long",
        child_too_late,
        child_at_work,
        within=("task_dispatcher", "execution_recorder", "sweeper"),
        ends="FAILED",
        ended="ABORTED",
        sessions=2,
    ),
    Scenario(
        "a dead letter is replayed",
        replay,
        dead_after_half,
        within=("task_api",),
        ended="FAILED",
        sessions=2,
        also=replayed_once,
    ),
]


@pytest.fixture(scope="module")
def all_worlds() -> Iterator[Worlds]:
    with worlds() as found:
        yield found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_crash_loses_nothing(all_worlds: Worlds, scenario: Scenario) -> None:
    prepare(scenario, all_worlds.make())
    again = all_worlds.saved()
    world = again()
    scenario.act(world)
    points = [p for p in world.calls.points() if p.call.function in scenario.within]
    assert verdict(scenario, world) == []

    faults = [
        f"{point}, {'insistent' if insistent else 'patient'}: {fault}"
        for point in points
        for insistent in INSISTENCE.get(point.call.function, (True, False))
        for fault in crashed(again(), scenario, point, insistent=insistent)
    ]
    assert faults == []


def crashed(world: World, scenario: Scenario, point: CrashPoint, *, insistent: bool) -> list[str]:
    """What is wrong after the scenario with a crash at that point."""
    world.insistent = insistent
    world.calls.crash_at = point
    scenario.act(world)
    assert world.calls.crashed == point.call
    return verdict(scenario, world)


def prepare(scenario: Scenario, world: World) -> None:
    world.request("workflow_api", events.workflow(WORKFLOW))
    scenario.prepare(world)
    world.settle()
    world.calls = Calls()


def verdict(scenario: Scenario, world: World) -> list[str]:
    """What is wrong when the world has come to rest."""
    faults = world.rest()
    ends = [
        execution.status
        for name, execution in world.executions.executions.items()
        if not name.endswith(SUFFIX)
    ]
    allowed = {scenario.ends, scenario.ended}
    allowed.add(scenario.ends if world.insistent else scenario.or_ends)
    if not allowed.issuperset(ends):
        faults.append(f"sessions ended {ends}")
    if len(ends) != scenario.sessions and (world.insistent or len(ends) > scenario.sessions):
        faults.append(f"{len(ends)} executions")
    return faults + scenario.also(world)
