"""What a quarantine keeps from whom."""

from __future__ import annotations

from collections.abc import Iterable

from opscore.models.agent import Agent
from opscore.models.quarantine import Mark, Quarantine, Quarantined


def barred(agent: Agent) -> Mark | None:
    """The quarantine that keeps the agent from all work, if one does."""
    marks = (mark for mark in agent.quarantines if mark.what is not Quarantined.CAPABILITY)
    return next(marks, None)


def barred_from(agent: Agent, capability: str | None) -> Mark | None:
    """The quarantine that keeps the agent from work of that capability (None: work that names the
    agent), if one does.
    """
    for mark in agent.quarantines:
        if mark.what is not Quarantined.CAPABILITY or mark.name == capability:
            return mark
    return None


def offered(agent: Agent) -> tuple[str, ...]:
    """The capabilities for which the agent may be given work."""
    closed = {mark.name for mark in agent.quarantines if mark.what is Quarantined.CAPABILITY}
    return tuple(capability for capability in agent.capabilities if capability not in closed)


def kept_from(agent: Agent, capability: str | None, mark: Mark) -> bool:
    """Whether the quarantine keeps the agent from work of that capability (None: work that names
    the agent), whether it carries it or not.
    """
    if mark.what is Quarantined.CAPABILITY:
        return mark.name == capability
    return concerns(mark, agent)


def concerns(quarantine: Mark, agent: Agent) -> bool:
    """Whether the agent is of what the quarantine is about."""
    match quarantine.what:
        case Quarantined.AGENT:
            return agent.agent_id == quarantine.name
        case Quarantined.CAPABILITY:
            return quarantine.name in agent.capabilities
        case Quarantined.VERSION:
            return agent.version == quarantine.name


def marks(agent: Agent, known: Iterable[Quarantine]) -> tuple[Mark, ...]:
    """What the agent must carry of the quarantines that are known."""
    standing = (q for q in known if q.stands and concerns(q, agent))
    return tuple(q.mark() for q in sorted(standing, key=lambda q: (q.what, q.name)))


def unsettled(quarantine: Quarantine, agent: Agent) -> bool:
    """Whether the agent does not carry the quarantine as it stands, or holds what it may not."""
    carried = any((m.what, m.name) == (quarantine.what, quarantine.name) for m in agent.quarantines)
    if carried != (quarantine.stands and concerns(quarantine, agent)):
        return True
    return carried and bool(agent.leases)
