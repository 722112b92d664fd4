"""Telling the dispatcher that an agent can take work.

To park a task is to write its entry and then to read who is idle; to become eligible is to write
the idle entry and then to read what waits. Whoever comes second sees the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from opscore.lifecycle.quarantines import offered
from opscore.models.agent import Agent
from opscore.models.messages import ReconsiderMessage, RoomMessage, WakeMessage
from opscore.ports import Clock, Queue
from opscore.records.waiting import Waiting, subject_of


class Wakeups:
    """Sends wake messages; never delivers."""

    def __init__(self, waiting: Waiting, queue: Queue, clock: Clock) -> None:
        self._waiting = waiting
        self._queue = queue
        self._clock = clock

    def announce(self, agent: Agent) -> None:
        """Have the dispatcher look for work for an agent that has just become eligible, if any
        list from which it may take has something.
        """
        lists = self._waiting.flagged(self._waiting.lists_for(agent.agent_id, offered(agent)))
        if lists:
            self._queue.send(WakeMessage(agent_id=agent.agent_id, lists=tuple(lists)))

    def room(self, slots: Iterable[str]) -> None:
        """Have the dispatcher look who waits for slots that were given back, if anyone may."""
        subjects = {subject_of(slot) for slot in slots} - {None}
        lists = [name for s in subjects if s is not None for name in self._waiting.policy_lists(s)]
        flagged = {subject_of(name) for name in self._waiting.flagged(lists)} if lists else set()
        for subject in flagged:
            if subject is not None:
                self._queue.send(RoomMessage.of(subject))

    def after_change(self, before: Agent, after: Agent) -> None:
        """Announce an agent whose written change made it eligible."""
        if after.idle_since is not None and after.idle_since != before.idle_since:
            self.announce(after)

    def later(self, agent_id: str, at: int | None) -> None:
        """Have the agent looked at when a cool-down of it ends, or a slot has drained; the sweeper
        does, should this fail. Each end has its one message, and a look sends none.
        """
        if at is not None:
            delay = math.ceil((at - self._clock()) / 1000) + 1
            self._queue.send(ReconsiderMessage(agent_id=agent_id, at=at), delay_seconds=delay)
