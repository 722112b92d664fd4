"""What must be true of a deployment in which nothing is left to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from opscore.lifecycle.agents import Said, said
from opscore.lifecycle.cleanup import SUFFIX, cleanup_name
from opscore.lifecycle.quarantines import barred, offered
from opscore.lifecycle.sessions import FINAL, of_execution
from opscore.models.agent import Agent
from opscore.models.outcome import Outcome
from opscore.models.session import Session
from opscore.models.task import Attempt, AttemptStatus
from opscore.records import keys
from opscore.records.codec import decode, text
from opscore.settings import settings

if TYPE_CHECKING:
    from tests.support.executions import Execution
    from tests.support.world import World

_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def unsettled(world: World) -> list[str]:
    """What is still to do, or was done wrongly; empty if all is well."""
    agents = world.deployment.items("AgentsTable")
    work = world.deployment.items("WorkTable")
    return [
        *_queues(world),
        *_sessions(world, work),
        *_attempts(world, work),
        *_tokens(world),
        *_agents(agents),
        *_lists(agents),
    ]


def _queues(world: World) -> Iterator[str]:
    for url in (world.deployment.queue_url, world.deployment.dead_letter_url):
        found: Any = world.deployment.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        held = sum(int(found["Attributes"][name]) for name in _COUNTS)
        if held:
            yield f"{held} messages in {url.rsplit('/', 1)[1]}"


def _sessions(world: World, work: list[dict[str, Any]]) -> Iterator[str]:
    sessions = {i["sessionId"]: decode(Session, i) for i in work if i["sk"] == "session"}
    executions = world.executions.executions
    for name in executions:
        if name.removesuffix(SUFFIX) not in sessions:
            yield f"execution {name} has no session"
    for session in sessions.values():
        execution = world.executions.executions.get(session.session_id)
        if execution is None:
            yield f"session {session.session_id} was never started"
            continue
        if session.status not in FINAL or not session.cleaned or session.due_at is not None:
            yield f"session {session.session_id} is {session.status}, cleaned: {session.cleaned}"
        elif session.status is not of_execution(execution.status):
            yield f"session is {session.status}, its execution {execution.status}"
        elif execution.status == "SUCCEEDED" and text(session.result) != execution.output:
            yield f"session's result is {session.result}, its execution's {execution.output}"
        yield from _cleanup(session, executions.get(cleanup_name(session.session_id)))
        if execution.input != session.execution_input:
            yield "the execution got another input than is on record"


def _cleanup(session: Session, after: Execution | None) -> Iterator[str]:
    if (session.ending is not None) != (after is not None):
        yield f"session ends by {session.ending}, its cleanup is {after}"
    elif after is not None and after.status == "RUNNING":
        yield "the session's cleanup still runs"


def _attempts(world: World, work: list[dict[str, Any]]) -> Iterator[str]:
    attempts = [decode(Attempt, i) for i in work if i["sk"] == "attempt"]
    on_record = {attempt.message.token: attempt for attempt in attempts}
    for name, token in world.executions.tokens.items():
        attempt = on_record.get(name)
        if attempt is None:
            if token.execution.status != "ABORTED":
                yield f"{name} has no attempt on record"
        elif attempt.status is not AttemptStatus.CLOSED:
            yield f"attempt of {name} is {attempt.status}"
        elif token.accepted and token.accepted[0] != _answer(attempt.outcome):
            yield f"{name} was answered {token.accepted[0]}, on record is {attempt.outcome}"
    for item in work:
        if "dueAt" in item and item["sk"] == "attempt":
            yield f"attempt {item['pk']} is still due"


def _answer(outcome: Outcome | None) -> tuple[str, ...] | None:
    if outcome is None:
        return None
    if outcome.error_code is None:
        return ("success", text(outcome.result))
    return ("failure", outcome.error_code, outcome.message)


def _tokens(world: World) -> Iterator[str]:
    for name, token in world.executions.tokens.items():
        if len(token.accepted) != 1 and token.execution.status != "ABORTED":
            yield f"{name} has {len(token.accepted)} accepted answers"
        if len(set(token.answers)) > 1:
            yield f"{name} was given different answers: {token.answers}"
    handed = Counter(delivery.reference for delivery in world.deliveries)
    if world.calls.crashed is None and max(handed.values(), default=1) > 1:
        yield f"handed out twice: {handed}"


def _agents(items: list[dict[str, Any]]) -> Iterator[str]:
    idle = {(i["pk"], i["sk"]) for i in items if i["pk"].startswith("idle#")}
    for agent in (decode(Agent, item) for item in items if item["sk"] == "agent"):
        if agent.leases or agent.draining:
            yield f"agent {agent.agent_id} holds {agent.leases} {agent.draining}"
        able = (
            said(agent.state) in (Said.IDLE, Said.ERROR)
            and agent.unresponsive_since is None
            and barred(agent) is None
        )
        if able != (agent.idle_since is not None):
            yield f"agent {agent.agent_id} says {agent.state}, idle since {agent.idle_since}"
        if agent.idle_since is not None:
            for capability in offered(agent):
                key = keys.idle_entry(
                    capability, agent.agent_id, agent.idle_since, settings().capability_shards
                )
                if (key.pk, key.sk) not in idle:
                    yield f"agent {agent.agent_id} is not among the idle for {capability}"
                idle.discard((key.pk, key.sk))
    if idle:
        yield f"idle entries of nobody: {sorted(idle)}"


def _lists(items: list[Mapping[str, Any]] | list[dict[str, Any]]) -> Iterator[str]:
    for item in items:
        if item["pk"].startswith(("waiting#", "lane#", "flag#")):
            yield f"left over: {item['pk']} {item['sk']}"
        if item["sk"] == "counter" and item["used"]:
            yield f"{item['used']} slots are still taken of {item['pk']}"
        if item["pk"].startswith("quarantine#") and "dueAt" in item:
            yield f"not applied yet: {item['sk']}"
