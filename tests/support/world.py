"""A deployment that runs: its functions over moto, the queues and events that drive them, agents
behind a gateway, callers, and time that passes when told.

What delivers to the functions here does what AWS does: messages come again until they are done
with, dead letters after too many tries, events and requests once more or not at all.
"""

from __future__ import annotations

import json
import random
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import moto.sqs.models
import pytest
from moto.core.base_backend import BackendDict
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends
from requests import PreparedRequest

from opscore.lifecycle.cleanup import SUFFIX
from tests.support import events
from tests.support.aws import Deployment, deployed, forget
from tests.support.calls import Calls, Crash, watching
from tests.support.events import ACCOUNT, REGION, Context
from tests.support.executions import Executions
from tests.support.invariants import unsettled
from tests.support.memory import ManualClock

T = TypeVar("T")

BATCH = 5
"""Messages that the dispatcher gets at once, as in template.yaml."""

AGENTS_BEHIND_SECONDS = 3600
"""How far the agents' clocks are behind ours."""

PASSING = (65, 65, 300, 400, 600, 900, 900, 900)
"""Seconds after which it is looked whether everything has come to rest; between two looks the
sweeper runs once, where in a deployment it would run each minute.
"""

_RESTARTS_AFTER = 2


@dataclass(frozen=True)
class Delivery:
    """A task as an agent got it."""

    agent_id: str
    reference: str
    body: dict[str, Any]


Behaviour = Callable[["World", Delivery], None]


def names_its_task(world: World, task: Delivery) -> None:
    """As AgentKit's simulated agent: active, idle, with the id of the task."""
    details = {"opscore_task_id": task.reference}
    world.say(task.agent_id, "active", details)
    world.say(task.agent_id, "idle", details | {"result": "done"})


def names_no_task(world: World, task: Delivery) -> None:
    """As AgentKit's opscore_aware_agent: active, idle, 20 ms apart, and not a word more."""
    world.say(task.agent_id, "active")
    world.say(task.agent_id, "idle")


def overtakes_itself(world: World, task: Delivery) -> None:
    """Its idle arrives before its active."""
    first, second = world.agent_time(), world.agent_time()
    world.say(task.agent_id, "idle", at=second)
    world.say(task.agent_id, "active", at=first)


def fails(world: World, task: Delivery) -> None:
    """Ends in error and never says idle."""
    details = {"opscore_task_id": task.reference}
    world.say(task.agent_id, "active", details)
    world.say(task.agent_id, "error", details | {"error": "it broke"})


def completes(world: World, task: Delivery) -> None:
    """Gives its own word on the task, with a heartbeat before; then says idle."""
    world.request("task_api", events.own_word(task.reference, "heartbeat"))
    world.request("task_api", events.own_word(task.reference, "complete", {"result": "done"}))
    world.say(task.agent_id, "idle")


def gives_up(world: World, task: Delivery) -> None:
    """Its own word is that the task has failed."""
    world.request("task_api", events.own_word(task.reference, "fail", {"errorCode": "GaveUp"}))


def is_silent(_: World, __: Delivery) -> None:
    """Takes the task and is never heard of."""


@dataclass
class World:
    """`insistent`: whose request or event came to nothing tries once more."""

    deployment: Deployment
    clock: ManualClock
    calls: Calls = field(default_factory=Calls)
    insistent: bool = True
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    at_once: set[str] = field(default_factory=set)
    """Agents that work inside the gateway's request."""
    statuses: dict[str, int] = field(default_factory=dict)
    """What the gateway answers for an agent; 202 by default."""
    deliveries: list[Delivery] = field(default_factory=list)
    given_up: set[str] = field(default_factory=set)
    """Agents of whose reports one was lost for good."""
    crashed_messages: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.executions = Executions()
        self._work: deque[Delivery] = deque()
        self.plan([{}])

    def plan(
        self,
        steps: Sequence[dict[str, Any]],
        retries: int = 2,
        *,
        of: str | None = None,
        after: Sequence[dict[str, Any]] = (),
    ) -> None:
        """What the sessions to come consist of, or those of one workflow; what tidies up after."""
        usual = {
            "taskId": "step",
            "name": "Step",
            "parameters": {},
            "timeout": 60,
            "waitTimeout": 1200,
        }
        named = usual | {"agentCapability": "work"}
        planned = [named | step for step in steps]
        if of is None:
            self.executions.steps = planned
        else:
            self.executions.steps_of[of] = planned
        self.executions.after = [named | step for step in after]
        self.executions.retries = retries

    # ---- the functions

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """Run a function in a process that may be warm. Raises Crash."""
        with self.calls.of(function):
            try:
                return self.deployment.handler(function)(event, Context())
            except Crash:
                forget(keep_clients=True)
                raise

    def request(
        self,
        function: str,
        event: dict[str, Any],
        *,
        insists: bool | None = None,
        answers: Collection[int] = (200, 201, 202),
    ) -> dict[str, Any] | None:
        """A request as its caller sees it: the answer's body; None if there was none."""
        insists = self.insistent if insists is None else insists
        for _ in range(2 if insists else 1):
            try:
                answer = self.invoke(function, event)
            except Crash:
                continue
            body: dict[str, Any] = json.loads(answer["body"])
            assert answer["statusCode"] in answers, body
            return body
        return None

    # ---- agents and their gateway

    def agent(
        self,
        agent_id: str,
        *capabilities: str,
        behaves: Behaviour = names_its_task,
        version: str = "1",
    ) -> None:
        """Register an agent, have it say idle."""
        self.register(agent_id, *(capabilities or ("work",)), behaves=behaves, version=version)
        self.say(agent_id, "idle")

    def register(
        self,
        agent_id: str,
        *capabilities: str,
        behaves: Behaviour = names_its_task,
        version: str = "1",
    ) -> None:
        """Register an agent; who does, tries until it has worked."""
        self.behaviours[agent_id] = behaves
        event = events.registration(agent_id, *capabilities, version=version)
        self.request("state_api", event, insists=True)

    def person(self, move: str) -> None:
        """A person cancels, pauses or resumes every session, and tries until it has worked."""
        names = (name.removesuffix(SUFFIX) for name in self.executions.executions)
        for session_id in dict.fromkeys(names):
            self.request("session_api", events.session_move(session_id, move), insists=True)

    def agent_time(self) -> datetime:
        """A moment later, by the agents' clock."""
        self.clock.forward(0.02)
        return datetime.fromtimestamp(self.clock() / 1000 - AGENTS_BEHIND_SECONDS, UTC)

    def say(
        self,
        agent_id: str,
        state: str,
        details: dict[str, Any] | None = None,
        at: datetime | None = None,
    ) -> None:
        """A report of an agent; one without an answer is not made again, unless it insists."""
        when = at or self.agent_time()
        event = events.report(agent_id, state, details, timestamp=when.isoformat())
        if self.request("state_api", event) is None:
            self.given_up.add(agent_id)

    def say_early(self, agent_id: str, state: str) -> None:
        """A report of an agent that nobody knows yet: refused, and remembered."""
        event = events.report(agent_id, state, timestamp=self.agent_time().isoformat())
        if self.request("state_api", event, answers=[404]) is None:
            self.given_up.add(agent_id)

    def gateway(self, request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        """AgentKit: forwards tasks to agents, offers no list of them."""
        if request.method == "GET":
            return 404, {}, "{}"
        agent_id = str(request.url).split("/")[-2]
        status = self.statuses.get(agent_id, 202)
        if status == 202:
            body = json.loads(request.body or "{}")
            delivery = Delivery(agent_id, body["opscore_task_id"], body)
            self.deliveries.append(delivery)
            if agent_id in self.at_once:
                self.behaviours[agent_id](self, delivery)
            else:
                self._work.append(delivery)
        return status, {}, "{}"

    # ---- what drives the functions

    def settle(self) -> None:
        """Deliver what there is to deliver now, and what comes of it, until there is no more."""
        for _ in range(100):
            moved = [
                self._send_tasks(),
                self._deliver_events(),
                self._poll(self.deployment.queue_url, "task_dispatcher"),
                self._agents_work(),
            ]
            if not any(moved) and not self._poll(
                self.deployment.dead_letter_url, "failure_handler"
            ):
                return
        raise AssertionError("this never comes to rest")

    def _send_tasks(self) -> bool:
        found = bool(self.executions.messages)
        while self.executions.messages:
            self.deployment.sqs.send_message(
                QueueUrl=self.deployment.queue_url,
                MessageBody=json.dumps(self.executions.messages.popleft()),
            )
        return found

    def _deliver_events(self) -> bool:
        found = bool(self.executions.events)
        while self.executions.events:
            event = self.executions.events.popleft()
            for _ in range(2 if self.insistent else 1):
                try:
                    self.invoke("execution_recorder", event)
                    break
                except Crash:
                    continue
        return found

    def _poll(self, url: str, function: str) -> bool:
        received: Any = self.deployment.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=BATCH, MessageSystemAttributeNames=["All"]
        )
        messages = received.get("Messages", [])
        if messages:
            self._take(url, function, messages)
        return bool(messages)

    def _take(self, url: str, function: str, messages: list[dict[str, Any]]) -> None:
        try:
            answer = self.invoke(function, events.sqs(messages))
            if any(message["MessageId"] in self.crashed_messages for message in messages):
                # At least once: what was being worked on at the crash now comes twice.
                self.invoke(function, events.sqs(messages))
        except Crash:
            self.crashed_messages |= {message["MessageId"] for message in messages}
            return
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for message in messages:
            if message["MessageId"] not in failed:
                self.deployment.sqs.delete_message(
                    QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]
                )

    def _agents_work(self) -> bool:
        found = bool(self._work)
        while self._work:
            task = self._work.popleft()
            self.behaviours[task.agent_id](self, task)
        return found

    def sweep(self) -> None:
        """A minute is over; a sweep that dies is followed by the next."""
        try:
            self.invoke("sweeper", events.schedule())
        except Crash:
            self.invoke("sweeper", events.schedule())

    def pass_time(self, seconds: float) -> None:
        self.clock.forward(seconds)
        self.sweep()
        self.settle()

    def rest(self) -> list[str]:
        """Let time pass until nothing is left to do. Returns what is left all the same."""
        self.settle()
        left = ["nothing was looked at"]
        for number, seconds in enumerate(PASSING):
            if number == _RESTARTS_AFTER:
                self._restart_agents()
            self.pass_time(seconds)
            left = unsettled(self)
            if not left:
                break
        return left

    def _restart_agents(self) -> None:
        """An agent whose word got lost is found hanging one day, and begins anew."""
        for agent_id in sorted(self.given_up):
            event = events.report(agent_id, "idle", timestamp=self.agent_time().isoformat())
            self.request("state_api", event, insists=True)


class Worlds:
    """Worlds one after the other, each empty or as another was; what takes long is made once."""

    def __init__(self, deployment: Deployment, clock: ManualClock) -> None:
        self._deployment = deployment
        self._clock = clock
        self.current = World(deployment, clock)

    def make(self) -> World:
        """A new world, in which there is nothing."""
        BackendDict.reset()
        self._deployment.make_resources()
        return self._begin(World(self._deployment, self._clock))

    def saved(self) -> Callable[[], World]:
        """The current world as it is now, to be had again and again."""
        held, now = self._copied(_held()), self._clock.now
        world = self._copied(self.current)

        def again() -> World:
            for part, values in zip(_held(), self._copied(held), strict=True):
                part.clear()
                (part.extend if isinstance(part, list) else part.update)(values)
            self._clock.now = now
            return self._begin(self._copied(world))

        return again

    def _copied(self, value: T) -> T:
        """A copy that has nothing in common with its original but the deployment and its time."""
        shared: dict[int, Any] = {id(part): part for part in (self._deployment, self._clock)}
        return deepcopy(value, shared)

    def _begin(self, world: World) -> World:
        forget(keep_clients=True)
        random.seed(1)  # so that the same is called again: waits have jitter
        self.current = world
        return world


def _held() -> list[Any]:
    """What moto's tables and queues hold."""
    tables = dynamodb_backends[ACCOUNT][REGION].tables.values()
    queues = sqs_backends[ACCOUNT][REGION].queues.values()
    return [
        *(table.items for table in tables),
        *(part for queue in queues for part in (queue._messages, queue.pending_messages)),
    ]


@contextmanager
def worlds() -> Iterator[Worlds]:
    """A deployment for worlds, with their time as its time."""
    clock = ManualClock()
    made: list[Worlds] = []

    def gateway(request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        return made[0].current.gateway(request)

    def step_functions(operation: str, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return made[0].current.executions.answer(operation, given)

    with (
        deployed({"LogLevel": "ERROR"}) as deployment,
        watching(lambda: made[0].current.calls, gateway, {"sfn": step_functions}),
        pytest.MonkeyPatch.context() as patch,
    ):
        # Our code's clock, and that of moto's queues.
        patch.setattr(time, "time_ns", lambda: clock() * 1_000_000)
        patch.setattr(moto.sqs.models, "unix_time_millis", lambda: float(clock()))
        patch.setattr(moto.sqs.models, "unix_time", lambda: clock() / 1000)
        forget()
        made.append(Worlds(deployment, clock))
        yield made[0]
