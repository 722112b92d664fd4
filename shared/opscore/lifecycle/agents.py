"""When an agent can take work, and what its reports say about the tasks it holds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from pydantic import JsonValue

from opscore.lifecycle.quarantines import barred
from opscore.models.agent import Agent, Draining, Lease, Report
from opscore.models.limits import is_error_code
from opscore.models.outcome import Outcome, TaskError

_MESSAGE_LIMIT = 4096


class Said(Enum):
    """What a state, a free string, means to dispatch."""

    IDLE = auto()
    ACTIVE = auto()
    ERROR = auto()
    OTHER = auto()


class Condition(StrEnum):
    """How an agent is, whatever state it has reported."""

    QUARANTINED = "quarantined"
    UNRESPONSIVE = "unresponsive"
    STALE = "stale"


def said(state: str) -> Said:
    """The meaning of a state's text, in any case."""
    match state.strip().lower():
        case "idle" | "finished" | "completed":
            return Said.IDLE
        case "active":
            return Said.ACTIVE
        case "error":
            return Said.ERROR
        case _:
            return Said.OTHER


def free_slots(agent: Agent) -> int:
    """Slots that neither a lease nor a draining task takes."""
    return agent.max_concurrency - len(agent.leases) - len(agent.draining)


def eligible(agent: Agent, now: int) -> bool:
    """Whether the agent can take one more task now."""
    if free_slots(agent) <= 0 or (agent.cooldown_until or 0) > now:
        return False
    if agent.unresponsive_since is not None or barred(agent) is not None:
        return False
    return agent.max_concurrency > 1 or said(agent.state) in (Said.IDLE, Said.ERROR)


def conditions(agent: Agent, now: int, stale_ms: int) -> frozenset[Condition]:
    """Those that hold. Stale: not heard of for so long; it may get work all the same."""
    holding = {
        Condition.QUARANTINED: bool(agent.quarantines),
        Condition.UNRESPONSIVE: agent.unresponsive_since is not None,
        Condition.STALE: (agent.last_seen_at or agent.registered_at) <= now - stale_ms,
    }
    return frozenset(condition for condition, holds in holding.items() if holds)


def settled(agent: Agent, now: int) -> Agent:
    """The agent with what time has ended dropped, and its place among the idle brought up to date.

    An agent that stays eligible keeps its place in the queue of the idle.
    """
    agent = agent.replace(
        draining=tuple(d for d in agent.draining if d.until > now),
        cooldown_until=agent.cooldown_until if (agent.cooldown_until or 0) > now else None,
    )
    if not eligible(agent, now):
        return agent.replace(idle_since=None)
    return agent if agent.idle_since is not None else agent.replace(idle_since=now)


def next_change_at(agent: Agent) -> int | None:
    """When time alone will change the agent (ms), if it will."""
    ends = [d.until for d in agent.draining]
    if agent.cooldown_until is not None:
        ends.append(agent.cooldown_until)
    return min(ends, default=None)


def claimed(agent: Agent, lease: Lease, now: int) -> Agent:
    """The agent with one more lease; its last report becomes the lease's watermark."""
    marked = lease.model_copy(update={"watermark": agent.last_report_at})
    return settled(agent.replace(leases={**agent.leases, lease.attempt_id: marked}), now)


def released(
    agent: Agent,
    attempt_id: str,
    now: int,
    *,
    drain_until: int | None = None,
    cooldown_until: int | None = None,
    silent: bool = False,
) -> Agent:
    """The agent without that lease; with `drain_until`, the slot stays taken until then, or until
    the agent says that it is free. One that was silent until its lease ran out gets no work before
    it is heard of.
    """
    leases = {key: lease for key, lease in agent.leases.items() if key != attempt_id}
    draining, unresponsive_since = agent.draining, agent.unresponsive_since
    if drain_until is not None and attempt_id in agent.leases:
        draining = (*draining, Draining(attempt_id=attempt_id, until=drain_until))
    if silent and attempt_id in agent.leases and unresponsive_since is None:
        unresponsive_since = now
    return settled(
        agent.replace(
            leases=leases,
            draining=draining,
            unresponsive_since=unresponsive_since,
            cooldown_until=cooldown_until if cooldown_until is not None else agent.cooldown_until,
        ),
        now,
    )


def spoke_late(agent: Agent, attempt_id: str, now: int) -> Agent:
    """The agent after its own word, too late, on a task that it has ended by now."""
    draining = tuple(slot for slot in agent.draining if slot.attempt_id != attempt_id)
    return settled(agent.replace(draining=draining, unresponsive_since=None, last_seen_at=now), now)


@dataclass(frozen=True)
class Reported:
    """What a report did: the agent after it, whether its state is the one to display, and what it
    said of one lease: that the task began just now, or how it ended.
    """

    agent: Agent
    displayed: bool
    lease: Lease | None = None
    began: bool = False
    outcome: Outcome | None = None


def reported(agent: Agent, report: Report, now: int, cooldown_ms: int) -> Reported:
    """The agent after a report of its own, whenever that was sent.

    The newest timestamp of the agent's clock is displayed; an older one still counts for leases.
    """
    displayed = _is_newer(agent, report)
    lease, began, outcome = _heard(agent, report)
    changes: dict[str, object] = {
        "last_seen_at": now,
        "last_report_at": max(agent.last_report_at, report.at),
        "draining": tuple(slot for slot in agent.draining if not _frees(agent, slot, report)),
    }
    if _is_news(agent, report):
        changes["unresponsive_since"] = None
    if displayed:
        changes |= {
            "state": report.state,
            "details": report.details,
            "timestamp": report.timestamp,
            "reported_at": report.at,
        }
        match said(report.state):
            case Said.ERROR:
                changes["cooldown_until"] = now + cooldown_ms
            case Said.IDLE:
                changes["cooldown_until"] = None
    if lease is not None:
        began, lease = (
            began and not lease.running,
            lease.model_copy(update={"running": lease.running or began}),
        )
        changes["leases"] = {**agent.leases, lease.attempt_id: lease}
    return Reported(settled(agent.replace(**changes), now), displayed, lease, began, outcome)


def _is_news(agent: Agent, report: Report) -> bool:
    """Whether the agent said this after all that was heard of it, and so after what ran out."""
    return report.at > agent.last_report_at


def _frees(agent: Agent, slot: Draining, report: Report) -> bool:
    """Whether the report says that the agent is no longer at the task that it was to stop."""
    if said(report.state) is Said.ACTIVE:
        return False
    if report.attempt_id is not None:
        return report.attempt_id == slot.attempt_id or agent.max_concurrency == 1
    # Without a name, with other tasks in hand, it may be any of them that has ended.
    return not agent.leases and _is_news(agent, report)


def _is_newer(agent: Agent, report: Report) -> bool:
    if agent.reported_at is None or report.at != agent.reported_at:
        return agent.reported_at is None or report.at > agent.reported_at
    # Of one moment by a coarse clock: whoever was active and idle in it is idle now.
    return not (said(report.state) is Said.ACTIVE and said(agent.state) is Said.IDLE)


def _heard(agent: Agent, report: Report) -> tuple[Lease | None, bool, Outcome | None]:
    if report.attempt_id is not None:
        lease = agent.leases.get(report.attempt_id)
        if lease is None or lease.fence != report.fence:
            return None, False, None
        return _heard_by_name(lease, report)
    if len(agent.leases) != 1 or agent.draining:
        # Of which task? Also one that was taken back may be what it still speaks of.
        return None, False, None
    (lease,) = agent.leases.values()
    if lease.named or report.at <= lease.watermark:
        return None, False, None
    return _heard_by_inference(lease, report)


def _heard_by_name(lease: Lease, report: Report) -> tuple[Lease, bool, Outcome | None]:
    lease = lease.model_copy(update={"named": True})
    match said(report.state):
        case Said.ACTIVE:
            return lease, True, None
        case Said.IDLE:
            return lease, False, Outcome.success(_result(report.details))
        case Said.ERROR:
            return lease, False, failure_of(report.details)
        case Said.OTHER:
            return lease, False, None


def _heard_by_inference(lease: Lease, report: Report) -> tuple[Lease | None, bool, Outcome | None]:
    """An agent that names no task: `watermark < active <= idle` is its way of saying "done",
    in whatever order the two arrive. No clock of ours is in this comparison.
    """
    match said(report.state):
        case Said.ERROR:
            return lease, False, failure_of(report.details)
        case Said.ACTIVE:
            first = report.at if lease.active_at is None else min(lease.active_at, report.at)
            lease = lease.model_copy(update={"active_at": first})
        case Said.IDLE:
            if lease.idle_at is None or report.at >= lease.idle_at:
                result = _result(report.details)
                lease = lease.model_copy(update={"idle_at": report.at, "idle_result": result})
        case Said.OTHER:
            return None, False, None
    if lease.active_at is None:
        return lease, False, None
    if lease.idle_at is None or lease.idle_at < lease.active_at:
        return lease, True, None
    return lease, False, Outcome.success(lease.idle_result)


def _result(details: dict[str, JsonValue] | None) -> JsonValue:
    if details is None:
        return {}
    if "result" in details:
        return details["result"]
    return {key: value for key, value in details.items() if key != "opscore_task_id"}


def failure_of(details: dict[str, JsonValue] | None) -> Outcome:
    """The failure that an agent's `details` describe: `errorCode`, and `error` or `message`."""
    details = details or {}
    code = details.get("errorCode")
    if not (isinstance(code, str) and is_error_code(code)):
        code = TaskError.AGENT_ERROR
    word = details.get("error", details.get("message", "the agent reported an error"))
    text = word if isinstance(word, str) else json.dumps(word, ensure_ascii=False)
    return Outcome.failure(code, text[:_MESSAGE_LIMIT])
