"""Agents come, change and go."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from pydantic import JsonValue

from opscore.errors import AgentNotFound, Contended
from opscore.lifecycle.agents import Condition, conditions, reported, settled
from opscore.lifecycle.quarantines import marks
from opscore.models.agent import Agent, Report
from opscore.models.outcome import Outcome, TaskError
from opscore.observability import note
from opscore.ports import AgentDirectory, Change, Clock, ConditionFailed, Store
from opscore.records.agents import Agents, HistoryEntry
from opscore.records.paging import Listing
from opscore.records.quarantines import Quarantines
from opscore.services import TRIES
from opscore.services.outcomes import Outcomes
from opscore.services.quarantine import QuarantineService
from opscore.services.wakeups import Wakeups
from opscore.settings import TransportName


@dataclass(frozen=True)
class Registration:
    """What an agent is registered with. None keeps what is known (or is the default)."""

    agent_id: str
    agent_name: str
    version: str
    capabilities: tuple[str, ...]
    contact_endpoint: str
    metadata: dict[str, JsonValue] = field(default_factory=dict)
    max_concurrency: int | None = None
    transport: TransportName | None = None


class AgentService:
    """Registers, deregisters and lists agents."""

    def __init__(
        self,
        store: Store,
        agents: Agents,
        quarantines: Quarantines,
        quarantine: QuarantineService,
        outcomes: Outcomes,
        wakeups: Wakeups,
        clock: Clock,
        *,
        cooldown_ms: int,
        stale_ms: int,
        history_days: int,
    ) -> None:
        self._store = store
        self._agents = agents
        self._quarantines = quarantines
        self._quarantine = quarantine
        self._outcomes = outcomes
        self._wakeups = wakeups
        self._clock = clock
        self._cooldown_ms = cooldown_ms
        self._stale_ms = stale_ms
        self._history_days = history_days

    def register(self, registration: Registration) -> Agent:
        """Register an agent, or update what is known of it: its state and leases stay.

        A report that came before is applied now. Raises Contended, AgentNotFound (deregistered
        at the same moment).
        """
        for _ in range(TRIES):
            before = self._agents.get(registration.agent_id)
            now = self._clock()
            after = _merged(before, registration, now)
            carries = marks(after, self._quarantines.about(after))
            after = settled(after.replace(quarantines=carries), now)
            early = self._agents.early_report(registration.agent_id, now)
            said: list[Change] = []
            if early is not None:
                # In the same write: who registered an agent may not live to do a second one.
                after = reported(after, early, now, self._cooldown_ms).agent
                said = self._heard(registration.agent_id, early, now)
            try:
                self._store.write(*self._agents.registered(before, after), *said)
            except ConditionFailed:
                continue
            after = after.replace(rev=(before.rev if before else 0) + 1)
            note("agent registered", again=before is not None)
            after = self._apply_early(after)
            if marks(after, self._quarantines.about(after)) != after.quarantines:
                # Imposed or lifted since they were looked for, by somebody who did not see this.
                self._quarantine.settle(after.agent_id)
                return self.get(after.agent_id)
            if after.idle_since is not None:
                # Also one that was eligible before: a new capability opens further lists.
                self._wakeups.announce(after)
            return after
        raise Contended(f"agent {registration.agent_id} keeps changing; try again")

    def _apply_early(self, agent: Agent) -> Agent:
        """Apply what the agent said while it was being registered. Read after the agent was
        written, as the report's taker looks for the agent after it wrote the report: one sees the
        other.
        """
        for _ in range(TRIES):
            report = self._agents.early_report(agent.agent_id, self._clock())
            if report is None:
                return agent
            effect = reported(agent, report, self._clock(), self._cooldown_ms)
            try:
                self._store.write(
                    *self._agents.changed(agent, effect.agent),
                    *self._heard(agent.agent_id, report, self._clock()),
                )
            except ConditionFailed:
                current = self._agents.get(agent.agent_id)
                if current is None:
                    return agent
                agent = current
                continue
            return effect.agent.replace(rev=agent.rev + 1)
        raise Contended(f"agent {agent.agent_id} keeps changing; try again")

    def _heard(self, agent_id: str, early: Report, now: int) -> list[Change]:
        """The early report in the history, and nowhere else any more."""
        heard = self._agents.heard(
            agent_id, early, uuid.uuid4().hex[:12], now, displayed=True, days=self._history_days
        )
        return [heard, self._agents.forgotten(agent_id)]

    def deregister(self, agent_id: str) -> None:
        """Forget an agent; what it was doing is lost and may be retried elsewhere.

        Raises AgentNotFound, Contended.
        """
        for _ in range(TRIES):
            agent = self._agents.get(agent_id)
            if agent is None:
                raise AgentNotFound(agent_id)
            try:
                self._store.write(*self._agents.removed(agent))
            except ConditionFailed:
                continue
            lost = Outcome.failure(TaskError.AGENT_LOST, f"agent {agent_id} was deregistered")
            for attempt_id in agent.leases:
                self._outcomes.lose(attempt_id, agent_id, lost)
            return
        raise Contended(f"agent {agent_id} keeps changing; try again")

    def get(self, agent_id: str) -> Agent:
        """Raises AgentNotFound."""
        agent = self._agents.get(agent_id)
        if agent is None:
            raise AgentNotFound(agent_id)
        return agent

    def find(self, agent_id: str) -> Agent | None:
        return self._agents.get(agent_id)

    def history(self, agent_id: str, *, limit: int, cursor: str | None) -> Listing[HistoryEntry]:
        """Raises AgentNotFound."""
        self.get(agent_id)
        return self._agents.history(agent_id, limit=limit, cursor=cursor)

    def conditions(self, agent: Agent) -> frozenset[Condition]:
        """How the agent is now, whatever state it has reported."""
        return conditions(agent, self._clock(), self._stale_ms)

    def listed(
        self,
        *,
        state: str | None,
        capability: str | None,
        condition: Condition | None = None,
        limit: int,
        cursor: str | None,
    ) -> Listing[Agent]:
        """A page of agents, by id; it may be short and still not the last."""

        def keep(agent: Agent) -> bool:
            return condition is None or condition in self.conditions(agent)

        return self._agents.listed(
            state=state, capability=capability, keep=keep, limit=limit, cursor=cursor
        )

    def sync(self, directory: AgentDirectory) -> int:
        """Register those agents of another system's list that are not known as listed there.

        Returns how many. None is deregistered: a list may be a page, or a moment old.
        """
        listed = {agent.agent_id: agent for agent in directory.agents()}
        known = {agent.agent_id: agent for agent in self._agents.get_many(listed)}
        changed = 0
        for agent_id, found in listed.items():
            have = known.get(agent_id)
            if have is not None and (
                have.contact_endpoint,
                have.capabilities,
                have.version,
                have.agent_name,
            ) == (found.contact_endpoint, found.capabilities, found.version, found.agent_name):
                continue
            self.register(
                Registration(
                    agent_id=agent_id,
                    agent_name=found.agent_name,
                    version=found.version,
                    capabilities=found.capabilities,
                    contact_endpoint=found.contact_endpoint,
                    metadata=have.metadata if have is not None else {},
                )
            )
            changed += 1
        return changed


def _merged(before: Agent | None, registration: Registration, now: int) -> Agent:
    known: dict[str, object] = {
        "agent_name": registration.agent_name,
        "version": registration.version,
        "capabilities": tuple(dict.fromkeys(registration.capabilities)),
        "contact_endpoint": registration.contact_endpoint,
        "metadata": registration.metadata,
    }
    if registration.max_concurrency is not None:
        known["max_concurrency"] = registration.max_concurrency
    if registration.transport is not None:
        known["transport"] = registration.transport
    if before is None:
        return Agent(agent_id=registration.agent_id, registered_at=now, **known)
    # Whoever registers again is reachable again.
    return before.replace(**known, cooldown_until=None, unresponsive_since=None)
