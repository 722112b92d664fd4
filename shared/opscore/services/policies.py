"""Policies are set, paused, resumed and cleared by people."""

from __future__ import annotations

from dataclasses import dataclass

from opscore.errors import Contended, PolicyNotFound
from opscore.lifecycle.limits import counters_for
from opscore.models.messages import RoomMessage
from opscore.models.policy import Policy, PolicyKind, Subject
from opscore.observability import note
from opscore.ports import Clock, ConditionFailed, Queue, Store
from opscore.records.paging import Listing
from opscore.records.policies import Policies
from opscore.services import TRIES


@dataclass(frozen=True)
class Wanted:
    """What a policy shall say of limits from now on; None is no limit."""

    max_concurrent: int | None
    rate_per_second: float | None
    burst: int | None


class PolicyService:
    """Writes policies; each change has the dispatcher look who may go on."""

    def __init__(self, store: Store, policies: Policies, queue: Queue, clock: Clock) -> None:
        self._store = store
        self._policies = policies
        self._queue = queue
        self._clock = clock

    def limit(self, subject: Subject, wanted: Wanted, reason: str | None, by: str | None) -> Policy:
        """Set the limits, all of them; whether it is paused stays. Raises Contended."""
        limits = {
            "max_concurrent": wanted.max_concurrent,
            "rate_per_second": wanted.rate_per_second,
            "burst": wanted.burst,
        }
        return self._change(subject, reason, by, **limits)

    def pause(self, subject: Subject, reason: str | None, by: str | None) -> Policy:
        """Hand out no more of its tasks; those with agents go on. Raises Contended."""
        return self._change(subject, reason, by, paused=True)

    def resume(self, subject: Subject, reason: str | None, by: str | None) -> Policy:
        """Hand out its tasks again. Raises Contended."""
        return self._change(subject, reason, by, paused=False)

    def clear(self, subject: Subject, by: str | None) -> None:
        """Ask for nothing any more. Raises PolicyNotFound, Contended."""
        self.get(subject)
        nothing = {"max_concurrent": None, "rate_per_second": None, "burst": None}
        self._change(subject, None, by, paused=False, **nothing)

    def get(self, subject: Subject) -> Policy:
        """Raises PolicyNotFound."""
        policy = self._policies.get(subject)
        if policy is None or policy.empty:
            raise PolicyNotFound(f"{subject.kind} {subject.name}")
        return policy

    def listed(self, *, kind: PolicyKind | None, limit: int, cursor: str | None) -> Listing[Policy]:
        return self._policies.listed(kind=kind, limit=limit, cursor=cursor)

    def _change(
        self, subject: Subject, reason: str | None, by: str | None, **changes: object
    ) -> Policy:
        for _ in range(TRIES):
            now = self._clock()
            before = self._policies.get(subject) or Policy(
                kind=subject.kind, name=subject.name, updated_at=now
            )
            after = before.replace(**changes, reason=reason, updated_by=by, updated_at=now)
            after = after.replace(
                counters=counters_for(after.max_concurrent, before.counters),
                resumed_at=now if before.paused and not after.paused else before.resumed_at,
            )
            try:
                self._store.write(*self._policies.put(after))
            except ConditionFailed:
                continue
            note("policy changed", kind=subject.kind, subject=subject.name, paused=after.paused)
            self._queue.send(RoomMessage.of(subject))
            return after.replace(rev=before.rev + 1)
        raise Contended("the policy keeps changing; try again")
