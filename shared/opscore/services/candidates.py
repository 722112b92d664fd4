"""Which agent shall do a task: by name, or by capability, the longest idle first."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping

from opscore.lifecycle.agents import settled
from opscore.lifecycle.attempts import task_with
from opscore.lifecycle.quarantines import barred_from, offered
from opscore.models.agent import Agent
from opscore.models.task import Attempt, Task, TriedHow
from opscore.ports import Clock
from opscore.records.agents import Agents
from opscore.records.waiting import Waiting
from opscore.services.lookout import Lookout

SILENT_MS = 600_000
"""An agent that is not idle, holds nothing and was not heard of for so long is not waited for."""


class Candidates:
    """Finds agents that can take a task now: one read for each shard probed, one for the agent."""

    def __init__(self, agents: Agents, lookout: Lookout, waiting: Waiting, clock: Clock) -> None:
        self._agents = agents
        self._lookout = lookout
        self._waiting = waiting
        self._clock = clock

    def find(
        self, attempt: Attempt, task: Task | None, but: Collection[str], lost: int = 0
    ) -> Agent | None:
        """An eligible agent for the attempt, none of `but`. `lost`: how many that were found went
        to others meanwhile; whoever lost one chooses by chance among the first, for all who look
        at once see the same agent first.

        The session's own agent comes first where it fits, agents that failed this task last; one
        that timed out on it is not asked while another could be.
        """
        message = attempt.task_message
        excluded = {*but, *attempt.refused_by}
        if message.agent_id is not None:
            return None if message.agent_id in excluded else self._usable(message.agent_id, None)
        if message.agent_capability is None:
            return None
        tried = task_with(attempt, task).tried
        own = message.session_agent_id
        if own is not None and own not in excluded and own not in tried:
            agent = self._usable(own, message.agent_capability)
            if agent is not None:
                return agent
            excluded.add(own)
        return self._by_capability(attempt, task, message.agent_capability, excluded, tried, lost)

    def _by_capability(
        self,
        attempt: Attempt,
        task: Task | None,
        capability: str,
        excluded: Collection[str],
        tried: Mapping[str, TriedHow],
        lost: int,
    ) -> Agent | None:
        last: list[str] = []
        for shard in self._waiting.shard_order(f"{attempt.attempt_id}{lost or ''}"):
            idle = self._waiting.idle_agents(capability, shard)
            if lost:
                random.shuffle(idle)
            last += [agent_id for agent_id in idle if agent_id in tried]
            for agent_id in idle:
                if agent_id not in excluded and agent_id not in tried:
                    agent = self._usable(agent_id, capability)
                    if agent is not None:
                        return agent
        for agent_id in sorted(last, key=lambda agent_id: tried[agent_id] is TriedHow.TIMED_OUT):
            agent = None if agent_id in excluded else self._usable(agent_id, capability)
            if agent is not None and self.may_try(agent, attempt, task):
                return agent
        return None

    def may_try(self, agent: Agent, attempt: Attempt, task: Task | None) -> bool:
        """Whether the agent may be handed the attempt at all, being eligible."""
        if agent.agent_id in attempt.refused_by:
            return False
        message, capability = attempt.task_message, attempt.task_message.agent_capability
        if self._lookout.barred(agent, None if message.agent_id is not None else capability):
            return False
        if message.agent_id is not None or capability is None:
            return message.agent_id == agent.agent_id
        if capability not in offered(agent):
            return False
        tried = task_with(attempt, task).tried
        if tried.get(agent.agent_id) is not TriedHow.TIMED_OUT:
            return True
        timed_out = {a for a, how in tried.items() if how is TriedHow.TIMED_OUT}
        now = self._clock()
        found = self._agents.others_with(capability, timed_out | set(attempt.refused_by))
        others = [settled(o, now) for o in found if barred_from(o, capability) is None]
        return not any(_could(other, now) for other in others)

    def _usable(self, agent_id: str, capability: str | None) -> Agent | None:
        agent = self._lookout.agent(agent_id)
        if agent is None or (capability is not None and capability not in offered(agent)):
            return None
        if self._lookout.barred(agent, capability):
            return None
        ready = settled(agent, self._clock())
        return agent if ready.idle_since is not None else None


def _could(other: Agent, now: int) -> bool:
    """Whether the agent can be expected to take a task: it is free, or busy and so will be. One
    that drains, cools down or is unresponsive, or holds nothing and has long been silent, may never
    speak again.
    """
    if other.draining or other.cooldown_until is not None or other.unresponsive_since is not None:
        return False
    heard_lately = (other.last_seen_at or 0) > now - SILENT_MS
    return other.idle_since is not None or bool(other.leases) or heard_lately
