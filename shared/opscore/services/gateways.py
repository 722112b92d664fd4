"""Transports that all agents share: when one can send nothing, it is left alone for a growing time,
and then tried with one task. What is known of them is read along with each agent.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

from opscore.lifecycle.breaker import failed, is_open, pause_ms, tried
from opscore.models.agent import Agent
from opscore.models.breaker import Breaker
from opscore.observability import note, warn
from opscore.ports import (
    Clock,
    ConditionFailed,
    Delete,
    Delivered,
    Item,
    Key,
    Put,
    Store,
    Transport,
)
from opscore.records import keys
from opscore.records.codec import decode, encode
from opscore.services import TRIES
from opscore.settings import TransportName

TransportOf = Callable[[TransportName | None], Transport]
"""The transport of a name; None is the deployment's own."""

SLACK_MS = 5_000
"""What a trial gets beyond its request's time limit before another may be made."""


class Gateways:
    """Says whether tasks may be sent by an agent's transport, and learns from those that were."""

    def __init__(
        self,
        store: Store,
        transports: TransportOf,
        own: TransportName,
        clock: Clock,
        *,
        longest_ms: int,
    ) -> None:
        self._store = store
        self._transports = transports
        self._own = own
        self._clock = clock
        self._longest_ms = longest_ms
        self._known: dict[TransportName, Breaker] = {}
        self._trials: dict[TransportName, int] = {}

    def places(self) -> dict[Key, TransportName]:
        """Where what is known of the transports lies."""
        return {keys.breaker(name): name for name in TransportName if name.shared}

    def seen(self, found: Mapping[Key, Item]) -> None:
        """What was found there just now."""
        for key, name in self.places().items():
            self._learn(name, decode(Breaker, found[key]) if key in found else None)

    def closed_for(self, agent: Agent, limit_seconds: float) -> int | None:
        """For how many seconds nothing can be sent to the agent; None if this task may be.

        Whoever may send to a transport that has failed is the only one who does.
        """
        breaker = self._known.get(self._name(agent))
        if breaker is None or not is_open(breaker):
            return None
        if self._trials.get(breaker.name) == breaker.rev:
            return None  # ours, and not made yet: the agent went to someone else
        now = self._clock()
        if breaker.open_until <= now:
            trial = tried(breaker, now + round(limit_seconds * 1000) + SLACK_MS)
            if self._write(trial):
                self._trials[trial.name] = trial.rev + 1
                note("transport is tried", transport=trial.name)
                return None
        pause = pause_ms(breaker, now, self._longest_ms) / 1000
        return math.ceil(pause * random.uniform(1, 1.5))  # noqa: S311 (jitter)

    def learn(self, agent: Agent, delivered: Delivered) -> None:
        """Take note of what came of a task: whatever was answered, the transport is there."""
        name = self._name(agent)
        self._trials.pop(name, None)
        if delivered is Delivered.NOT_SENT:
            if self._transports(agent.transport).shared:
                self._failed(name)
        elif (breaker := self._known.pop(name, None)) is not None:
            try:
                self._store.write(Delete(keys.breaker(name), expect={"rev": breaker.rev}))
            except ConditionFailed:
                return  # others have failed, or seen that it is there
            note("transport is there again", transport=name, failures=breaker.failures)

    def _failed(self, name: TransportName) -> None:
        for _ in range(TRIES):
            now = self._clock()
            before = self._known.get(name)
            after = failed(before, name, now)
            if self._write(after):
                if is_open(after):
                    seconds = (after.open_until - now) / 1000
                    warn("transport is left alone", transport=name, seconds=seconds)
                return
            stands = self._known.get(name)
            if stands is not None and stands.open_until > now:
                return  # others have had the same, and said so

    def _write(self, breaker: Breaker) -> bool:
        """Write it if nobody else has; if somebody has, know what they wrote."""
        key = keys.breaker(breaker.name)
        try:
            self._store.write(Put(key, encode(breaker), rev=breaker.rev))
        except ConditionFailed as lost:
            self._learn(breaker.name, decode(Breaker, lost.found[0]) if lost.found else None)
            return False
        self._learn(breaker.name, breaker.replace(rev=breaker.rev + 1))
        return True

    def _learn(self, name: TransportName, breaker: Breaker | None) -> None:
        if breaker is None:
            self._known.pop(name, None)
        else:
            self._known[name] = breaker

    def _name(self, agent: Agent) -> TransportName:
        return agent.transport or self._own
