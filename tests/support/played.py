"""Sessions played over the fakes: tasks that follow one another, done or failed as told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opscore.models.messages import AnyStep, TaskMessage
from opscore.models.session import Session
from opscore.models.task import Attempt, AttemptStatus
from opscore.ports import Execution
from opscore.services.sessions import StartRequest
from tests.support.fleet import Fleet
from tests.support.memory import MemoryMachines, MemoryTokens


def with_steps(fleet: Fleet, *steps: str) -> Session:
    """An agent, a workflow of those steps, and a session of it."""
    tasks = [{"taskId": step, "agentCapability": "work"} for step in steps]
    fleet.workflows.apply("wf", {"id": "wf", "name": "W", "tasks": tasks})
    fleet.agent("a", "work", "rare")
    return fleet.sessions.start(StartRequest("wf", None, {"n": 1}))


def step(fleet: Fleet, session: Session, name: str, result: Any = None, **more: Any) -> TaskMessage:
    """One task of the session comes to the queue. Who gets it does it, with that result, or fails
    with it where it is an exception; with Ellipsis it stays with its agent.
    """
    fleet.clock.forward(1)
    message = fleet.message(session_id=session.session_id, task_id=name, **more)
    fleet.dispatch(message)
    attempt = fleet.attempt(message)
    if attempt.status is AttemptStatus.SENT and result is not ...:
        fleet.clock.forward(1)
        if isinstance(result, Exception):
            fleet.own_word.fail(fleet.reference(message), None, "AgentError", str(result))
        else:
            fleet.own_word.complete(fleet.reference(message), None, result)
        fleet.says(attempt.agent_id or "", "idle")
    return message


def ended(fleet: Fleet, session: Session, status: str = "SUCCEEDED", **how: Any) -> Session:
    """The session's execution ends."""
    fleet.clock.forward(1)
    fleet.recording.event(session.session_id, Execution(status, **how))
    return fleet.sessions.get(session.session_id)


def answer(fleet: Fleet, message: AnyStep) -> tuple[str, str] | None:
    """What Step Functions was told of a task."""
    assert isinstance(fleet.tokens, MemoryTokens)
    return fleet.tokens.answers.get(message.token)


def run(
    fleet: Fleet, session: Session, results: Mapping[str, Any], names: Sequence[str] = ()
) -> dict[str, Attempt]:
    """The session's steps one after the other, up to the one that fails, and its end."""
    made: dict[str, Attempt] = {}
    for name in names or results:
        message = step(fleet, session, name, results[name])
        made[name] = fleet.attempt(message)
        error = made[name].outcome
        if error is not None and error.error_code is not None:
            ended(fleet, session, "FAILED", error=error.error_code, cause=error.message)
            return made
    ended(fleet, session, output="null")
    return made


def executions(fleet: Fleet) -> dict[str, str]:
    """Inputs of the executions started, by name."""
    assert isinstance(fleet.machines, MemoryMachines)
    return {name: text for (_, name), text in fleet.machines.inputs.items()}
