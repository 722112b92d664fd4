"""When a transport that all agents share is left alone, for it could send nothing several times."""

from __future__ import annotations

from opscore.models.breaker import Breaker
from opscore.settings import TransportName

FAILURES = 3
"""In a row, before it is left alone."""

FIRST_MS = 2_000
LONGEST_MS = 60_000
"""How long it is left alone, doubling with each failure: then one task is sent to see."""


def failed(before: Breaker | None, name: TransportName, now: int) -> Breaker:
    """The transport after it could send nothing once more."""
    if before is None:
        before = Breaker(name=name, failures=0, since=now)
    failures = before.failures + 1
    if failures < FAILURES:
        return before.replace(failures=failures)
    pause = min(FIRST_MS << min(failures - FAILURES, 20), LONGEST_MS)
    return before.replace(failures=failures, open_until=now + pause)


def is_open(breaker: Breaker | None) -> bool:
    """Whether nothing may be sent by it, but for one task now and then."""
    return breaker is not None and breaker.failures >= FAILURES


def tried(breaker: Breaker, until: int) -> Breaker:
    """The transport while one task is sent by it to see: until then nobody else does."""
    return breaker.replace(open_until=until)


def pause_ms(breaker: Breaker, now: int, longest_ms: int) -> int:
    """How long a message that can't be sent had better wait: the longer nothing could be sent, the
    longer, so that it does not come back more often than it may.
    """
    return max(breaker.open_until - now, min(now - breaker.since, longest_ms), 1_000)
