"""The services over fakes, wired as they are everywhere; and words to drive them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, TypeVar

from opscore.composition import Services
from opscore.models.agent import Agent, Report
from opscore.models.messages import (
    ApprovalMessage,
    Message,
    SignalMessage,
    StepMessage,
    TaskMessage,
    WorkflowMessage,
)
from opscore.models.session import Session, SessionStatus
from opscore.models.task import Attempt, Task
from opscore.ports import Machines, Store, Tokens, Transport
from opscore.records import keys
from opscore.records.codec import decode
from opscore.services.agents import Registration
from opscore.services.dispatch import Envelope, NotNow
from opscore.settings import Settings, TransportName
from tests.support.memory import (
    ManualClock,
    MemoryMachines,
    MemoryQueue,
    MemoryStore,
    MemoryTokens,
    MemoryTransport,
)

S = TypeVar("S", bound=StepMessage)

DRAIN_SECONDS = 300
COOLDOWN_SECONDS = 5


@dataclass
class Fleet(Services):
    """A deployment in memory."""

    store: Store = field(default_factory=MemoryStore)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    tokens: Tokens = field(default_factory=MemoryTokens)
    machines: Machines = field(default_factory=MemoryMachines)
    transport: MemoryTransport = field(default_factory=MemoryTransport)
    clock: ManualClock = field(default_factory=ManualClock)
    shards: int = 2

    def __post_init__(self) -> None:
        super().__init__(self)
        self.settings = Settings(
            task_queue_url="queue-url",
            capability_shards=self.shards,
            drain_seconds=DRAIN_SECONDS,
            error_cooldown_seconds=COOLDOWN_SECONDS,
        )
        self._numbers = itertools.count(1)

    def transport_of(self, _: TransportName | None) -> Transport:
        return self.transport

    # ---- words

    def agent(
        self,
        agent_id: str,
        *capabilities: str,
        state: str | None = "idle",
        version: str = "1",
        **more: Any,
    ) -> Agent:
        """Register an agent and, unless told otherwise, have it report idle."""
        registration = Registration(
            agent_id=agent_id,
            agent_name=agent_id,
            version=version,
            capabilities=capabilities or ("work",),
            contact_endpoint=f"http://{agent_id}.example/run",
            **more,
        )
        self.agents.register(registration)
        if state is not None:
            self.says(agent_id, state)
        return self.agents.get(agent_id)

    def says(
        self,
        agent_id: str,
        state: str,
        details: dict[str, Any] | None = None,
        *,
        at: int | None = None,
    ) -> None:
        """A report; `at` in milliseconds of the agent's clock, ours by default."""
        details = details or {}
        attempt_id, fence = None, None
        if "opscore_task_id" in details:
            attempt_id, _, number = details["opscore_task_id"].rpartition(".")
            fence = int(number)
        if at is None:
            self.clock.forward(0.001)
            at = self.clock()
        self.reports.take(
            agent_id,
            Report(
                state=state, at=at * 1000, timestamp=str(at), details=details,
                attempt_id=attempt_id, fence=fence,
            ),
        )  # fmt: skip

    def session(self, session_id: str = "s1", **more: Any) -> Session:
        """A session on record that runs, without a machine behind it."""
        session = Session(
            session_id=session_id, workflow_id="wf", workflow_version=1, machine_arn=None,
            status=SessionStatus.RUNNING, start_time=self.clock(), last_updated_time=self.clock(),
            execution_input='{"input":{},"session":{}}',
        ).replace(**more)  # fmt: skip
        self.store.write(self.session_records.put(session))
        return session

    def message(self, token: str | None = None, **more: Any) -> TaskMessage:
        """A task message of session s1, whose session is made if there is none."""
        values = {
            "token": token or f"token-{next(self._numbers)}",
            "session_id": "s1",
            "workflow_id": "wf",
            "task_id": "step",
            "name": "step",
            "agent_capability": "work",
            "timeout": 60,
            "wait_timeout": 600,
        } | more
        if values.get("agent_id") is not None:
            values.pop("agent_capability", None)
        message = TaskMessage.model_validate(values)
        if self.session_records.get(message.session_id) is None:
            self.session(message.session_id)
        return message

    def approval(self, **more: Any) -> ApprovalMessage:
        """The message of a step of session s1 that waits for a person."""
        return self._step(ApprovalMessage, {"prompt": "Go on?"} | more)

    def signal(self, name: str = "go", **more: Any) -> SignalMessage:
        """The message of a step of session s1 that waits for a signal."""
        return self._step(SignalMessage, {"signal": name} | more)

    def child(self, workflow_id: str = "child", **more: Any) -> WorkflowMessage:
        """The message of a step of session s1 that waits for another session."""
        return self._step(WorkflowMessage, {"child_workflow_id": workflow_id} | more)

    def _step(self, kind: type[S], more: dict[str, Any]) -> S:
        values = {
            "token": f"token-{next(self._numbers)}",
            "session_id": "s1",
            "workflow_id": "wf",
            "task_id": "step",
            "name": "step",
            "timeout": 3600,
        } | more
        message = kind.model_validate(values)
        if self.session_records.get(message.session_id) is None:
            self.session(message.session_id)
        return message

    def dispatch(self, message: Message) -> None:
        self.dispatcher.take(message, Envelope(self.clock(), 10))

    def settle(self, rounds: int = 20, upto_delay: int = 1) -> None:
        """Dispatch what was sent without delay, and what that sends, until nothing is left.

        Messages that can't be dealt with now are sent again.
        """
        for _ in range(rounds):
            batch = self.queue.take(upto_delay=upto_delay)
            if not batch:
                return
            for message in batch:
                try:
                    self.dispatch(message)
                except NotNow:
                    self.queue.send(message, delay_seconds=2)
        raise AssertionError("messages keep coming")

    # ---- looks

    def attempt(self, message: StepMessage) -> Attempt:
        found = self.task_records.attempt(message.attempt_id)
        assert found is not None
        return found

    def task(self, message: StepMessage) -> Task:
        item = self.store.get(keys.task(message.session_id, message.task_key))
        assert item is not None
        return decode(Task, item)

    def reference(self, message: TaskMessage) -> str:
        """What the agent that holds the task was given as opscore_task_id."""
        return f"{message.attempt_id}.{self.attempt(message).fence}"
