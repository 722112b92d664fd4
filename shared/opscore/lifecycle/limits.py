"""How a limit's slots and a rate are shared out, so that no one item counts every hand-over, and
yet no more is handed out than the whole allows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from opscore.models.policy import Bucket, Policy, PolicyKind, Subject

MOST = 20
"""Counters, or buckets, of one policy. Those of two policies are read in one request of 100 keys,
with the flags of their waiting lists."""

SLOTS_PER_COUNTER = 8
"""Tasks of a second or longer write such a counter 16 times a second at the most."""

PER_BUCKET = 10
"""Tasks a second for which a bucket is written."""

MICROSECONDS = 1_000_000


def subjects(workflow_id: str, capability: str | None) -> tuple[Subject, ...]:
    """Whose policies a task is under."""
    of_workflow = Subject(PolicyKind.WORKFLOW, workflow_id)
    if capability is None:
        return (of_workflow,)
    return (of_workflow, Subject(PolicyKind.CAPABILITY, capability))


def counters_for(limit: int | None, before: int) -> int:
    """How many counters a limit needs. Never fewer than it had: slots taken from one are given back
    to it.
    """
    return max(before, min(math.ceil((limit or 0) / SLOTS_PER_COUNTER), MOST))


def buckets_for(rate: float | None) -> int:
    """How many buckets a rate (tasks a second) needs."""
    return 0 if rate is None else max(min(math.ceil(rate / PER_BUCKET), MOST), 1)


def shares(whole: int, parts: int) -> list[int]:
    """The whole in that many parts, as even as it goes."""
    each, more = divmod(whole, parts)
    return [each + (part < more) for part in range(parts)]


@dataclass(frozen=True)
class Opening:
    """A counter that has room: it may be raised by one while it is below that."""

    counter: int
    below: int
    room: int


def openings(limit: int, used: Sequence[int]) -> tuple[int, list[Opening]]:
    """How many tasks may be handed out, and by which counters, the emptiest first.

    A counter never rises above its share, so that however many claim at once, they never take more
    than the whole. After a limit was lowered, what is used over a share counts against the whole.
    """
    free = max(limit - sum(used), 0)
    of_each = shares(limit, len(used)) if used else []
    found = [
        Opening(number, share, share - taken)
        for number, (share, taken) in enumerate(zip(of_each, used, strict=True))
        if taken < share
    ]
    return free, sorted(found, key=lambda opening: -opening.room) if free else []


@dataclass(frozen=True)
class Pace:
    """A bucket's share of a rate: a task each `interval` (µs), `burst` of them at once."""

    interval: int
    burst: int

    def tokens(self, bucket: Bucket, now: int) -> int:
        """How many tasks may be taken at once, now (µs)."""
        return self.burst - math.ceil(self._ahead(bucket, now) / self.interval)

    def next_at(self, bucket: Bucket, now: int) -> int:
        """When the next task may be taken (µs)."""
        return now + max(self._ahead(bucket, now) - (self.burst - 1) * self.interval, 0)

    def taken(self, bucket: Bucket, now: int) -> int:
        """When the bucket's next task is due, once one is taken."""
        return now + self._ahead(bucket, now) + self.interval

    def _ahead(self, bucket: Bucket, now: int) -> int:
        # No further than this pace can have brought it: the rate may have been lower before.
        return min(max((bucket.due_at or 0) - now, 0), self.burst * self.interval)


def paces(policy: Policy) -> list[Pace]:
    """The share of each of the policy's buckets."""
    if policy.rate_per_second is None:
        return []
    number = buckets_for(policy.rate_per_second)
    interval = round(MICROSECONDS * number / policy.rate_per_second)
    burst = policy.burst or math.ceil(policy.rate_per_second)
    return [Pace(interval, max(share, 1)) for share in shares(burst, number)]
