"""Whether policies let a task through: paused capabilities and workflows, limits, rates.

A slot of a limit is taken by the claim's own transaction and given back by the one that ends or
undoes it, so that no crash can make the count drift. What is not let through waits in a list of the
policy's; whoever gives a slot back, changes the policy or sees its rate refill has the dispatcher
look into that list, and what parks there looks once more itself.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opscore.lifecycle.limits import MICROSECONDS, Pace, openings, paces
from opscore.models.messages import AttemptMessage, RoomMessage
from opscore.models.policy import Bucket, Policy, Subject
from opscore.models.task import Attempt, AttemptStatus, Task
from opscore.ports import Change, Clock, ConditionFailed, Queue, Store
from opscore.records.policies import Measured, Policies, slot
from opscore.records.waiting import Waiting, WaitingEntry
from opscore.services.parking import Parking

LOOK_MS = 1_000
"""Between two looks into the list of a rate that is used up: the queue counts delays in seconds."""

WITHOUT_LIMIT = 1_000_000
"""More than a look lets through."""


@dataclass(frozen=True)
class Grant:
    """What a claim takes of limits and rates: the changes to write with it, and the slots that the
    attempt gives back when it ends.
    """

    changes: tuple[Change, ...] = ()
    slots: tuple[str, ...] = ()


NOTHING_TO_TAKE = Grant()


class Admission:
    """Without a policy it asks for nothing; with a limit or a rate a hand-over takes one more
    request, all of its policies together.
    """

    def __init__(
        self,
        store: Store,
        policies: Policies,
        waiting: Waiting,
        parking: Parking,
        queue: Queue,
        clock: Clock,
    ) -> None:
        self._store = store
        self._policies = policies
        self._waiting = waiting
        self._parking = parking
        self._queue = queue
        self._clock = clock

    def ask(self, attempt: Attempt, policies: Sequence[Policy]) -> Grant | Policy:
        """What the attempt's claim must take with it; or the policy that does not let it through
        now. One that comes anew goes behind those that wait.
        """
        for policy in policies:
            if policy.paused:
                return policy
        counted = [policy for policy in policies if policy.counted]
        if not counted:
            return NOTHING_TO_TAKE
        comes_anew = attempt.status is AttemptStatus.RECEIVED and not attempt.called
        changes: list[Change] = []
        slots: list[str] = []
        for measured in self._policies.measured(counted):
            if comes_anew and measured.queued:
                return measured.policy
            if not self._capacity(measured):
                return measured.policy
            changes += self._passage(measured, slots)
        return Grant(tuple(changes), tuple(slots))

    def _passage(self, measured: Measured, slots: list[str]) -> list[Change]:
        """A slot and a token: which of several is left to chance, so that claims spread out."""
        policy, changes = measured.policy, list[Change]()
        if policy.max_concurrent is not None:
            _, found = openings(policy.max_concurrent, measured.used)
            (opening,) = random.choices(found, [one.room for one in found])  # noqa: S311
            changes.append(self._policies.taken(policy, opening))
            slots.append(slot(policy, opening.counter))
        if policy.rate_per_second is not None:
            now = self._now()
            each = _each(measured)
            tokens = [max(pace.tokens(bucket, now), 0) for pace, bucket in each]
            (number,) = random.choices(range(len(each)), tokens)  # noqa: S311
            pace, bucket = each[number]
            due_at = pace.taken(bucket, now)
            changes.append(self._policies.let_through(policy, number, bucket, due_at))
        return changes

    def stand_behind(self, attempt: Attempt, task: Task | None, policy: Policy) -> Attempt:
        """Let the attempt wait for the policy, then look whether it lets more through by now.

        Raises ConditionFailed; index 0 is the attempt.
        """
        parked = self._parking.behind(attempt, task, policy)
        current = self._policies.get(policy.subject)
        if current is None or not current.paused:
            measured = self._measure(current)
            if measured is None or self._capacity(measured):
                self._queue.send(RoomMessage.of(policy.subject))
            else:
                self._look_later(measured)
        return parked

    def pass_on(self, attempt: Attempt, policies: Iterable[Policy]) -> None:
        """The attempt was let through and takes nothing now: let the next have its turn."""
        for policy in policies if attempt.called else ():
            if policy.counted:
                self._queue.send(RoomMessage.of(policy.subject))

    def let_through(self, subject: Subject, look_at: int | None) -> None:
        """Send on as many of those that wait as the policy lets through now."""
        policy = self._policies.get(subject)
        if policy is not None and policy.paused:
            return
        measured = self._measure(policy)
        left = WITHOUT_LIMIT if measured is None else self._capacity(measured)
        lists = self._waiting.flagged(self._waiting.policy_lists(subject)) if left else []
        entries = self._parking.turn(lists)
        for entry in entries:
            left -= self._send_on(entry) if left else 0
        if entries and left:
            self._queue.send(RoomMessage.of(subject))  # more may wait than was looked at
        elif measured is not None:
            self._look_later(measured, look_at)

    def _send_on(self, entry: WaitingEntry) -> bool:
        work = self._parking.open_work(entry)
        if work is None or work.attempt is None:
            return False
        try:
            self._parking.unhold(work.attempt, called=True)
        except ConditionFailed:
            return False
        self._queue.send(AttemptMessage(attempt_id=entry.attempt_id))
        return True

    def _measure(self, policy: Policy | None) -> Measured | None:
        if policy is None or not policy.counted:
            return None
        return self._policies.measured([policy])[0]

    def _capacity(self, measured: Measured) -> int:
        """How many tasks the policy lets through now."""
        policy, free = measured.policy, WITHOUT_LIMIT
        if policy.max_concurrent is not None:
            free, _ = openings(policy.max_concurrent, measured.used)
        if policy.rate_per_second is None:
            return free
        now = self._now()
        tokens = (max(pace.tokens(bucket, now), 0) for pace, bucket in _each(measured))
        return min(free, sum(tokens))

    def _look_later(self, measured: Measured, look_at: int | None = None) -> None:
        """Have the list of a rate that is used up looked at when it has refilled. Of all who ask
        for that, one sends the message; should it get lost, the sweeper looks.
        """
        if measured.policy.rate_per_second is None or not measured.queued:
            return
        first, now = measured.buckets[0], self._clock()
        if first.look_at is not None and first.look_at > now and first.look_at != look_at:
            return
        refill = min(pace.next_at(bucket, self._now()) for pace, bucket in _each(measured))
        at = max(math.ceil(refill / 1000), now + LOOK_MS)
        try:
            self._store.write(self._policies.look_set(measured.policy, first, at))
        except ConditionFailed:
            return
        delay = math.ceil((at - now) / 1000)
        self._queue.send(RoomMessage.of(measured.policy.subject, at), delay_seconds=delay)

    def _now(self) -> int:
        return self._clock() * (MICROSECONDS // 1000)


def _each(measured: Measured) -> list[tuple[Pace, Bucket]]:
    return list(zip(paces(measured.policy), measured.buckets, strict=True))
