"""A fleet of which a third misbehaves, on functions that die at random: everything ends well."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import requests

from infra.local.errors import LocalStackError
from infra.local.stack import LocalStack
from tests.e2e.agents import Agent, Fleet, Run, fresh, now
from tests.e2e.api import FINAL, Api, JsonObject, step, workflow
from tests.e2e.waiting import eventually

AGENTS = 20
SESSIONS = 40
TASKS = 5
"""Tasks of a session, one after the other: 200 in all."""

KILL_SECONDS = 4
SWEEP_SECONDS = 5


def insists(agent: Agent, path: str, body: JsonObject) -> None:
    """A word that is said again while nobody hears it."""
    for _ in range(20):
        with suppress(requests.RequestException):
            if agent.api.post(path, body).status_code < 500:
                return
        time.sleep(0.2)


def says(agent: Agent, state: str, details: JsonObject | None = None) -> None:
    body = {"agentId": agent.agent_id, "timestamp": now(), "state": state, "details": details or {}}
    insists(agent, f"agent/{agent.agent_id}/state", body)


def reports(agent: Agent, run: Run) -> None:
    named = {"opscore_task_id": run.reference}
    says(agent, "active", named)
    says(agent, "idle", named | {"result": {"did": run.reference}})


def speaks(agent: Agent, run: Run) -> None:
    body = {"agentId": agent.agent_id, "result": {"did": run.reference}}
    insists(agent, f"task/{run.reference}/complete", body)
    says(agent, "idle")


def fails(agent: Agent, run: Run) -> None:
    says(agent, "error", {"opscore_task_id": run.reference, "error": run.reference})


def is_late(agent: Agent, run: Run) -> None:
    time.sleep(6)
    reports(agent, run)


def is_silent(_: Agent, __: Run) -> None:
    """Is never heard of again."""


def repeats(agent: Agent, run: Run) -> None:
    reports(agent, run)
    reports(agent, run)


GOOD = (reports, speaks)
BAD = (fails, is_late, is_silent, repeats)


@contextmanager
def in_the_background(seconds: float, action: Any) -> Iterator[None]:
    """While the block runs, the action is taken again and again."""
    over = threading.Event()

    def act() -> None:
        while not over.wait(seconds):
            action()

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def kill_a_worker(stack: LocalStack) -> None:
    """End one of the processes that the stack's functions run in, as a crash does."""
    workers = stack.function_workers()
    if workers:
        with suppress(ProcessLookupError):
            os.kill(random.choice(workers), signal.SIGKILL)


def sweep(stack: LocalStack) -> None:
    """The sweeper comes more often than each minute, and may be killed too."""
    with suppress(LocalStackError):
        stack.sweep()


def start(api: Api, workflow_id: str, key: str) -> str:
    """Start a session, and ask until it has worked."""

    def ask() -> str | None:
        body = {"workflowDefinitionId": workflow_id}
        answer = api.post("sessions", body, headers={"Idempotency-Key": key})
        return str(answer.json()["sessionId"]) if answer.status_code == 202 else None

    return eventually(ask)


def end(api: Api, session_id: str) -> JsonObject:
    """A session once it is final; one that can't be read now is read again."""

    def look() -> JsonObject | None:
        answer = api.get(f"session/{session_id}")
        session: JsonObject = answer.json() if answer.status_code == 200 else {}
        return session if session.get("status") in FINAL else None

    return eventually(look, seconds=150)


def ended_well(task: JsonObject, *, completed: bool) -> bool:
    """Whether each attempt of a task has ended, and the last as its own agent said."""
    *earlier, last = task["attempts"]
    own = {"did": f"{last['attemptId']}.{last['fence']}"}
    return (
        all(attempt["outcome"] == "failed" for attempt in earlier)
        and last["status"] == "CLOSED"
        and (not completed or (last["outcome"] == "completed" and task["result"] == own))
    )


def spans(sessions: list[JsonObject]) -> dict[str, list[tuple[str, str]]]:
    """When each agent held its tasks, in their order."""
    held: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for session in sessions:
        for attempt in (attempt for task in session["tasks"] for attempt in task["attempts"]):
            if attempt.get("sentAt") is not None:
                held[attempt["agentId"]].append((attempt["sentAt"], attempt["endedAt"]))
    return {agent_id: sorted(found) for agent_id, found in held.items()}


def test_everything_ends_whoever_dies(stack: LocalStack, api: Api, fleet: Fleet) -> None:
    capability = fresh("fleet")
    agents = [
        fleet.add(capability, behave=BAD[n % len(BAD)] if n % 3 == 2 else GOOD[n % len(GOOD)])
        for n in range(AGENTS)
    ]
    steps = [
        step(f"step-{n}", retries=6, agentCapability=capability, timeout="4s", waitTimeout="90s")
        for n in range(TASKS)
    ]
    definition = workflow(*steps)
    api.put(f"workflow/{definition['id']}", definition)

    def run(number: int) -> JsonObject:
        return end(api, start(api, definition["id"], f"{capability}-{number}"))

    with (
        in_the_background(KILL_SECONDS, lambda: kill_a_worker(stack)),
        in_the_background(SWEEP_SECONDS, lambda: sweep(stack)),
        ThreadPoolExecutor(4) as pool,
    ):
        sessions = list(pool.map(run, range(SESSIONS)))

    assert len({session["sessionId"] for session in sessions}) == SESSIONS
    assert sum(session["status"] == "completed" for session in sessions) > SESSIONS / 2
    for session in sessions:
        completed = session["status"] == "completed"
        assert all(ended_well(task, completed=completed) for task in session["tasks"]), session
    for held in spans(sessions).values():
        # One task at a time: each begins when the one before it has ended.
        assert all(first[1] <= second[0] for first, second in pairwise(held)), held
    for agent in agents:
        assert api.read(f"agent/{agent.agent_id}")["openTasks"] == []
