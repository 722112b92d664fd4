"""An agent's report: recorded, shown, and heard for what it says of the agent's task."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import replace

from opscore.errors import AgentNotFound, Contended, DependencyFailed
from opscore.lifecycle.agents import Reported, reported
from opscore.lifecycle.attempts import LEASED
from opscore.models.agent import Agent, Lease, Report
from opscore.models.outcome import Outcome
from opscore.models.task import AttemptStatus
from opscore.observability import bind, warn
from opscore.ports import Change, Clock, ConditionFailed, Scalar, Store
from opscore.records.agents import Agents
from opscore.records.tasks import Tasks
from opscore.services import TRIES
from opscore.services.judging import judged
from opscore.services.outcomes import Decided, Outcomes
from opscore.services.wakeups import Wakeups


class Reports:
    """Takes reports; each is 2 requests, 3 when it makes the agent eligible."""

    def __init__(
        self,
        store: Store,
        agents: Agents,
        tasks: Tasks,
        outcomes: Outcomes,
        wakeups: Wakeups,
        clock: Clock,
        *,
        cooldown_ms: int,
        history_days: int,
    ) -> None:
        self._store = store
        self._agents = agents
        self._tasks = tasks
        self._outcomes = outcomes
        self._wakeups = wakeups
        self._clock = clock
        self._cooldown_ms = cooldown_ms
        self._history_days = history_days

    def take(self, agent_id: str, report: Report) -> None:
        """Record a report. One of an agent that nobody knows yet is kept for its registration.

        Raises AgentNotFound, Contended.
        """
        entry_id = uuid.uuid4().hex[:12]
        settled: set[tuple[str, int]] = set()
        for _ in range(TRIES):
            agent = self._agents.get(agent_id) or self._early(agent_id, report)
            now = self._clock()
            effect = self._judged(reported(agent, report, now, self._cooldown_ms))
            about = self._about(agent_id, effect, settled)
            changes = [
                *about,
                *self._agents.changed(agent, effect.agent),
                self._agents.heard(
                    agent_id,
                    report,
                    entry_id,
                    now,
                    displayed=effect.displayed,
                    days=self._history_days,
                ),
            ]
            try:
                self._store.write(*changes)
            except ConditionFailed as refusal:
                # The attempt has moved on (it ended, or this was said before): what the report
                # says of it counts no more, the state itself does. The agent may hold another.
                if effect.lease is not None and about and 0 in refusal.failed:
                    settled.add((effect.lease.attempt_id, effect.lease.fence))
                continue
            try:
                self._follow(agent, effect, heard=bool(about))
            except (Contended, DependencyFailed) as error:
                # The report is on record, and so is what it calls for: the sweeper does the rest.
                warn("report not followed up yet", reason=str(error))
            return
        raise Contended(f"agent {agent_id} keeps changing; try again")

    def _judged(self, effect: Reported) -> Reported:
        """The effect, with a result held against its task's schema: that costs another request."""
        lease = effect.lease
        if lease is None or not lease.has_schema or effect.outcome is None:
            return effect
        attempt = self._tasks.attempt(lease.attempt_id)
        return (
            effect if attempt is None else replace(effect, outcome=judged(attempt, effect.outcome))
        )

    def _early(self, agent_id: str, report: Report) -> Agent:
        self._store.write(self._agents.early(agent_id, report, self._clock()))
        # Registered between the two looks? Then its registration may have missed this report.
        agent = self._agents.get(agent_id)
        if agent is None:
            raise AgentNotFound(agent_id)
        return agent

    def _about(
        self, agent_id: str, effect: Reported, settled: Collection[tuple[str, int]]
    ) -> list[Change]:
        lease = effect.lease
        if lease is None or (lease.attempt_id, lease.fence) in settled:
            return []
        bind(session_id=lease.session_id, task_id=lease.attempt_id)
        if effect.outcome is not None:
            return self._outcomes.decision(
                lease.attempt_id,
                lease.session_id,
                lease.task_key,
                agent_id,
                effect.outcome,
                {"fence": lease.fence, "status": LEASED},
            )
        if effect.began:
            fields: dict[str, Scalar] = {
                "status": AttemptStatus.RUNNING,
                "heartbeatAt": self._clock(),
            }
        elif lease.heartbeat:
            fields = {"heartbeatAt": self._clock()}
        else:
            return []
        return [self._tasks.moved(lease.attempt_id, lease.fence, LEASED, fields)]

    def _follow(self, before: Agent, effect: Reported, *, heard: bool) -> None:
        after = effect.agent.replace(rev=before.rev + 1)
        try:
            if effect.lease is not None and effect.outcome is not None:
                self._end(effect.lease, effect.outcome, after, heard=heard)
        finally:
            # A report that ends one task may also end a cool-down, or free what drained.
            self._wakeups.after_change(before, after)

    def _end(self, lease: Lease, outcome: Outcome, agent: Agent, *, heard: bool) -> None:
        if heard:
            decided = Decided(lease.attempt_id, agent.agent_id, lease.token, outcome, lease.slots)
            self._outcomes.send(decided, agent)
        else:
            self._send_earlier(lease)

    def _send_earlier(self, lease: Lease) -> None:
        """The attempt was decided before this report; if nobody could be told then, tell now."""
        attempt = self._tasks.attempt(lease.attempt_id)
        if attempt is not None and attempt.status is AttemptStatus.COMPLETING:
            self._outcomes.send(Decided.of(attempt), again=True)
