"""Handing an attempt to an agent: claim, deliver, and what became of it."""

from __future__ import annotations

import math
from enum import Enum, auto

from opscore.lifecycle.agents import claimed, released, settled
from opscore.lifecycle.attempts import MAX_REFUSALS, next_deadline
from opscore.models.agent import Agent, Lease
from opscore.models.messages import DeadlineMessage
from opscore.models.outcome import Outcome, TaskError
from opscore.models.task import Attempt, AttemptStatus, Task
from opscore.observability import bind, note, warn
from opscore.ports import (
    Change,
    Clock,
    ConditionFailed,
    Delivered,
    Queue,
    Store,
)
from opscore.records.agents import Agents
from opscore.records.keys import due
from opscore.records.policies import given_back
from opscore.records.tasks import Tasks
from opscore.records.waiting import Waiting
from opscore.services import TRIES
from opscore.services.admission import NOTHING_TO_TAKE, Grant
from opscore.services.gateways import Gateways, TransportOf
from opscore.services.outcomes import Outcomes
from opscore.services.wakeups import Wakeups

SENDING_SLACK_MS = 5_000
"""What a worker gets beyond its request's time limit before another may take its place."""

UNSENT_RECHECK_MS = 900_000
"""When the sweeper looks for an unsent attempt whose message got lost; longer than any visibility
that a message is sent back with."""

DEADLINE_GRACE_SECONDS = 1
"""A deadline's message comes this much after it, so that it never comes before."""


def sending_until(now: int, limit_seconds: float) -> int:
    """Until when (ms) a worker that sends now is left alone."""
    return now + round(limit_seconds * 1000) + SENDING_SLACK_MS


class Handed(Enum):
    """What became of one hand-over."""

    DONE = auto()
    """Delivered, or decided otherwise: there is nothing left to do."""
    NEXT = auto()
    """Not with this agent: try another."""
    AWAY = auto()
    """Nothing could be sent: try again later."""


class Handover:
    """Claims and deliveries; each transport by its name."""

    def __init__(
        self,
        store: Store,
        agents: Agents,
        tasks: Tasks,
        waiting: Waiting,
        queue: Queue,
        outcomes: Outcomes,
        wakeups: Wakeups,
        transports: TransportOf,
        gateways: Gateways,
        clock: Clock,
        *,
        drain_ms: int,
    ) -> None:
        self._store = store
        self._agents = agents
        self._tasks = tasks
        self._waiting = waiting
        self._queue = queue
        self._outcomes = outcomes
        self._wakeups = wakeups
        self._transports = transports
        self._gateways = gateways
        self._clock = clock
        self._drain_ms = drain_ms

    def claim(
        self,
        attempt: Attempt,
        task: Task | None,
        agent: Agent,
        limit_seconds: float,
        grant: Grant = NOTHING_TO_TAKE,
    ) -> tuple[Attempt, Task]:
        """The attempt with a lease on the agent and what it takes of limits: all, or nothing; and
        the task that knows of it.

        Raises ConditionFailed; index 0 is the attempt.
        """
        # A transport that the deployment lacks must not leave the agent with a lease.
        self._transports(agent.transport)
        now = self._clock()
        fence = attempt.fence + 1
        until = sending_until(now, limit_seconds)
        sending = attempt.replace(
            status=AttemptStatus.SENDING,
            fence=fence,
            agent_id=agent.agent_id,
            sending_until=until,
            due_at=until,
            waiting_list=None,
            waiting_key=None,
            wait_deadline=None,
            slots=grant.slots,
        )
        lease = Lease(
            attempt_id=attempt.attempt_id,
            fence=fence,
            session_id=attempt.session_id,
            task_key=attempt.message.task_key,
            token=attempt.message.token,
            watermark=agent.last_report_at,
            heartbeat=attempt.task_message.heartbeat is not None,
            has_schema=attempt.task_message.result_schema is not None,
            slots=grant.slots,
        )
        after = claimed(settled(agent, now), lease, now)
        record, task_changes = self._tasks.recorded(attempt, task)
        self._store.write(
            self._tasks.put(sending),
            *self._agents.changed(agent, after),
            *task_changes,
            *self._waiting.taken(attempt),
            *grant.changes,
        )
        # Slots that have drained by now came back with this write: nobody else announces them.
        self._wakeups.after_change(agent, after)
        return sending.replace(rev=attempt.rev + 1), record

    def deliver(self, attempt: Attempt, agent: Agent, limit_seconds: float) -> Handed:
        """Hand a claimed attempt to its agent."""
        bind(agent_id=agent.agent_id)
        transport = self._transports(agent.transport)
        delivered = transport.deliver(agent, attempt, limit_seconds)
        handed = self._settle(attempt, delivered, shared=transport.shared)
        self._gateways.learn(agent, delivered)
        return handed

    def _settle(self, attempt: Attempt, delivered: Delivered, *, shared: bool) -> Handed:
        match delivered:
            case Delivered.ACCEPTED | Delivered.UNANSWERED:
                note("task sent", answered=delivered is Delivered.ACCEPTED, fence=attempt.fence)
                self._sent(attempt)
                return Handed.DONE
            case Delivered.REFUSED:
                return self._refused(attempt)
            case Delivered.GONE:
                warn("agent is gone")
                return self._release(attempt, cooldown_ms=self._drain_ms)
            case Delivered.NOT_SENT:
                warn("task could not be sent")
                handed = self._release(attempt, announce=False)
                return Handed.AWAY if shared and handed is Handed.NEXT else handed

    def _sent(self, attempt: Attempt) -> None:
        now = self._clock()
        deadline = now + round(attempt.message.timeout * 1000)
        timed = attempt.replace(deadline=deadline, heartbeat_at=now)
        fields = {
            "sentAt": now,
            "deadline": deadline,
            "heartbeatAt": now,
            "sendingUntil": None,
            **due(attempt.attempt_id, next_deadline(timed)),
        }
        for status in (AttemptStatus.SENDING, AttemptStatus.RUNNING):
            # The agent's report may have come before this write: what it made of the attempt stays.
            after = AttemptStatus.SENT if status is AttemptStatus.SENDING else status
            try:
                self._store.write(
                    self._tasks.moved(
                        attempt.attempt_id, attempt.fence, [status], {"status": after, **fields}
                    )
                )
            except ConditionFailed:
                continue
            self.watch(timed)
            return

    def watch(self, attempt: Attempt) -> None:
        """Have the deadline looked at when it comes; the sweeper does, should this fail."""
        ends = attempt.wait_deadline or next_deadline(attempt)
        if ends is not None:
            delay = math.ceil((ends - self._clock()) / 1000) + DEADLINE_GRACE_SECONDS
            message = DeadlineMessage(attempt_id=attempt.attempt_id, fence=attempt.fence)
            self._queue.send(message, delay_seconds=delay)

    def _refused(self, attempt: Attempt) -> Handed:
        warn("agent refused the task")
        assert attempt.agent_id is not None
        refused_by = (*attempt.refused_by, attempt.agent_id)
        handed = self._release(attempt, refused_by=refused_by)
        if handed is Handed.NEXT and len(refused_by) >= MAX_REFUSALS:
            released_attempt = self._tasks.attempt(attempt.attempt_id)
            if released_attempt is not None:
                message = f"refused by {', '.join(refused_by)}"
                self._outcomes.end(
                    released_attempt, Outcome.failure(TaskError.DISPATCH_FAILED, message)
                )
            return Handed.DONE
        return handed

    def _release(
        self,
        attempt: Attempt,
        *,
        cooldown_ms: int | None = None,
        refused_by: tuple[str, ...] = (),
        announce: bool = True,
    ) -> Handed:
        """Take the attempt back from its agent, unless a report has closed it meanwhile."""
        assert attempt.agent_id is not None
        back = attempt.replace(
            status=AttemptStatus.RECEIVED,
            agent_id=None,
            sending_until=None,
            slots=(),
            refused_by=refused_by or attempt.refused_by,
            due_at=self._clock() + UNSENT_RECHECK_MS,
        )
        for _ in range(TRIES):
            agent = self._agents.get(attempt.agent_id)
            changes: list[Change] = [self._tasks.put(back), *given_back(attempt.slots)]
            after = until = None
            if agent is not None and attempt.attempt_id in agent.leases:
                now = self._clock()
                until = now + cooldown_ms if cooldown_ms is not None else None
                after = released(agent, attempt.attempt_id, now, cooldown_until=until)
                changes += self._agents.changed(agent, after)
            try:
                self._store.write(*changes)
            except ConditionFailed as refusal:
                if 0 in refusal.failed:
                    return Handed.DONE
                continue
            if agent is not None and after is not None and announce:
                self._wakeups.after_change(agent, after)
                self._wakeups.later(attempt.agent_id, until)
            if announce:
                self._wakeups.room(attempt.slots)
            return Handed.NEXT
        return Handed.AWAY
