"""Agents in the tests' own process: they take runs over HTTP and report as they are told."""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests

from infra.local.json_server import JsonHandler, LocalServer
from infra.local.stack import LocalStack
from tests.e2e.api import Api, JsonObject
from tests.e2e.waiting import eventually

RUN_FIELDS = {
    "senderId",
    "messageType",
    "payload",
    "timestamp",
    "sessionContext",
    "task_name",
    "opscore_session_id",
    "opscore_task_id",
}
"""What AgentKit passes on of a run, and so all that an agent gets."""


def now() -> str:
    """The time as AgentKit's SDK writes it."""
    return datetime.now(UTC).isoformat()


def fresh(name: str) -> str:
    """A name that no other test uses."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class Run:
    """A task as it came to an agent."""

    body: JsonObject
    headers: dict[str, str]

    @property
    def reference(self) -> str:
        return str(self.body["payload"]["opscore_task_id"])

    @property
    def parameters(self) -> Any:
        return self.body["payload"]["task_parameters"]

    @property
    def session_id(self) -> str:
        return str(self.body["sessionContext"]["sessionId"])


class Agent(LocalServer):
    """One agent. `behave` says what it does with a run, after its answer or, as
    opscore_aware_agent does, `inside` the request; without one a test takes `next_run`.
    """

    def __init__(self, api: Api, behave: Behaviour | None, *, inside: bool) -> None:
        self.api = api
        self.agent_id = ""
        self.behave = behave
        self.inside = inside
        self.answers = 202
        self.runs: queue.Queue[Run] = queue.Queue()
        super().__init__(("127.0.0.1", 0), AgentHandler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/run"

    def next_run(self, seconds: float = 20) -> Run:
        """The next task that came."""
        return self.runs.get(timeout=seconds)

    def idle_for(self, seconds: float) -> bool:
        """Whether no task comes for that long."""
        try:
            self.runs.get(timeout=seconds)
        except queue.Empty:
            return True
        return False

    def report(
        self, state: str, details: JsonObject | None = None, at: str | None = None
    ) -> requests.Response:
        """Report a state as AgentKit's SDK does; it must be accepted."""
        body = {
            "agentId": self.agent_id,
            "timestamp": at or now(),
            "state": state,
            "details": {} if details is None else details,
        }
        answer = self.api.post(f"agent/{self.agent_id}/state", body)
        assert answer.status_code == 202, answer.text
        return answer

    def done(self, run: Run, result: Any = None) -> None:
        """Report a task as done by its id."""
        self.report("idle", {"opscore_task_id": run.reference, "result": result})

    def say(self, word: str, run: Run, **body: Any) -> requests.Response:
        """`complete`, `fail` or `heartbeat` a task."""
        return self.api.post(f"task/{run.reference}/{word}", body)

    def close(self) -> None:
        """Serve no more."""
        self.shutdown()
        self.server_close()


Behaviour = Callable[[Agent, Run], None]


class AgentHandler(JsonHandler):
    """Takes runs."""

    server: Agent

    def do_POST(self) -> None:  # noqa: N802  the base's name
        """Keep the run; answer; behave."""
        run = Run(json.loads(self.body()), dict(self.headers.items()))
        agent = self.server
        agent.runs.put(run)
        if agent.behave is not None and agent.inside:
            agent.behave(agent, run)
        self.reply(agent.answers, {"status": "accepted"})
        if agent.behave is not None and not agent.inside:
            self.wfile.flush()
            agent.behave(agent, run)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        """Say nothing."""


def echoes(agent: Agent, run: Run) -> None:
    """The simulated agent: names the task in each of its reports."""
    agent.report("active", {"opscore_task_id": run.reference})
    agent.report("idle", {"opscore_task_id": run.reference, "result": {"echo": run.parameters}})


def pair(agent: Agent, run: Run) -> None:
    """opscore_aware_agent: names no task, and says `active` and `idle` 20 ms apart."""
    agent.report("active")
    time.sleep(0.02)
    agent.report("idle")


def errs(agent: Agent, run: Run) -> None:
    """Ends in `error`, and never says idle again."""
    agent.report("active", {"opscore_task_id": run.reference})
    agent.report("error", {"opscore_task_id": run.reference, "error": "could not do it"})


def errs_and_recovers(agent: Agent, run: Run) -> None:
    """Ends in `error`, and is idle again at once."""
    errs(agent, run)
    agent.report("idle")


class Fleet:
    """The agents of one test; `close` ends them and has Ops-Core forget them."""

    def __init__(self, api: Api, agent_key: str, stack: LocalStack) -> None:
        self._api = api
        self._agents: list[Agent] = []
        self._as_agent = api.with_key(agent_key)
        self._stack = stack

    def make(self, behave: Behaviour | None = None, *, inside: bool = False) -> Agent:
        """An agent that serves, and that Ops-Core doesn't know yet."""
        agent = Agent(self._as_agent, behave, inside=inside)
        agent.agent_id = fresh("agent")
        self._agents.append(agent)
        return agent

    def add(
        self,
        *capabilities: str,
        behave: Behaviour | None = None,
        inside: bool = False,
        idle: bool = True,
        **fields: Any,
    ) -> Agent:
        """An agent that is registered directly, reached directly, and has said idle."""
        agent = self.make(behave, inside=inside)
        self.register(agent, *capabilities, **fields)
        if idle:
            agent.report("idle")
        return agent

    def register(self, agent: Agent, *capabilities: str, **fields: Any) -> None:
        """Register an agent that was made, or again one that was added."""
        body = {
            "capabilities": list(capabilities),
            "contactEndpoint": agent.endpoint,
            "transport": "direct",
            **fields,
        }
        answer = self._api.put(f"agent/{agent.agent_id}", body)
        assert answer.status_code == 200, answer.text

    def join(self, *capabilities: str, behave: Behaviour | None = None, **fields: Any) -> Agent:
        """An agent that registers with AgentKit, gets its id there, is reached through it, and
        reports idle as soon as Ops-Core has heard of it.
        """
        agent = self.make(behave)
        details = {
            "agentName": "Joined",
            "version": "1.0",
            "capabilities": list(capabilities),
            "contactEndpoint": agent.endpoint,
            **fields,
        }
        url = f"{self._stack.addresses.agentkit_url}/agents/register"
        answer = requests.post(url, json=details, timeout=10)
        assert answer.status_code == 201, answer.text
        agent.agent_id = answer.json()["data"]["agentId"]
        eventually(lambda: self._api.get(f"agent/{agent.agent_id}").ok)
        agent.report("idle")
        return agent

    def close(self) -> None:
        """End them all."""
        for agent in self._agents:
            agent.close()
            self._api.delete(f"agent/{agent.agent_id}")
