"""Keeping an agent, a capability or an agent version from work, and letting it work again.

The quarantine is written first, with a notice that keeps its agents from new work; then each of
them is marked, and what it holds of it is taken back. A claim is made on the agent's item as it was
read, so it loses against the mark, or came before it and is taken back. An agent that registers
looks for quarantines after it was written: whoever comes second sees the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from opscore.errors import Contended, QuarantineNotFound
from opscore.lifecycle.agents import settled
from opscore.lifecycle.quarantines import barred, barred_from, marks, unsettled
from opscore.models.agent import Agent
from opscore.models.outcome import Outcome, TaskError
from opscore.models.quarantine import Quarantine, Quarantined
from opscore.observability import bind, note
from opscore.ports import Clock, ConditionFailed, Store
from opscore.records.agents import Agents
from opscore.records.paging import Listing
from opscore.records.quarantines import Quarantines
from opscore.records.tasks import Tasks
from opscore.services import TRIES
from opscore.services.outcomes import Outcomes
from opscore.services.wakeups import Wakeups

AT_ONCE_MS = 5_000
"""How long a request may see to agents; the sweeper does the rest."""


class QuarantineService:
    """Imposes, lifts and applies quarantines."""

    def __init__(
        self,
        store: Store,
        quarantines: Quarantines,
        agents: Agents,
        tasks: Tasks,
        outcomes: Outcomes,
        wakeups: Wakeups,
        clock: Clock,
    ) -> None:
        self._store = store
        self._quarantines = quarantines
        self._agents = agents
        self._tasks = tasks
        self._outcomes = outcomes
        self._wakeups = wakeups
        self._clock = clock

    def impose(self, what: Quarantined, name: str, reason: str, by: str | None) -> Quarantine:
        """Keep it from work. One that stands keeps its reason, and is applied once more.

        Raises Contended.
        """
        for _ in range(TRIES):
            stood = self._quarantines.get(what, name)
            now = self._clock()
            fresh = Quarantine(what=what, name=name, reason=reason, by=by, since=now)
            rev = 0 if stood is None else stood.rev
            after = stood if stood is not None and stood.stands else fresh
            after = after.replace(applied=False, seen_to=None, rev=rev)
            try:
                self._write(after, now)
            except ConditionFailed:
                continue
            note("quarantine imposed", what=what, of=name, by=by)
            return self._applied(after.replace(rev=rev + 1), AT_ONCE_MS)
        raise Contended(f"others keep changing the quarantine of {what} {name}; try again")

    def lift(self, what: Quarantined, name: str, by: str | None) -> Quarantine:
        """Let it work again. Raises QuarantineNotFound, Contended."""
        for _ in range(TRIES):
            stood = self._quarantines.get(what, name)
            if stood is None:
                raise QuarantineNotFound(f"{what} {name}")
            now = self._clock()
            after = stood.replace(applied=False, seen_to=None)
            if stood.stands:
                after = after.replace(released_by=by, released_at=now)
            try:
                self._write(after, now)
            except ConditionFailed:
                continue
            note("quarantine lifted", what=what, of=name, by=by)
            return self._applied(after.replace(rev=stood.rev + 1), AT_ONCE_MS)
        raise Contended(f"others keep changing the quarantine of {what} {name}; try again")

    def listed(self, *, past: bool, limit: int, cursor: str | None) -> Listing[Quarantine]:
        return self._quarantines.listed(past=past, limit=limit, cursor=cursor)

    def go_on(self, what: Quarantined, name: str, limit_ms: int) -> None:
        """See to the agents of a quarantine that are left; for the sweeper. Raises Contended."""
        quarantine = self._quarantines.get(what, name)
        if quarantine is not None and not quarantine.applied:
            self._applied(quarantine, limit_ms)

    def _applied(self, quarantine: Quarantine, limit_ms: int) -> Quarantine:
        """The quarantine after as many agents as there is time for have been seen to."""
        until = self._clock() + limit_ms
        seen_to = quarantine.seen_to
        for agent in self._concerned(quarantine):
            if self._clock() >= until:
                return self._written(quarantine, quarantine.replace(seen_to=seen_to))
            if unsettled(quarantine, agent):
                self.settle(agent.agent_id)
            seen_to = agent.agent_id
        return self._written(quarantine, quarantine.replace(applied=True, seen_to=None))

    def _written(self, before: Quarantine, after: Quarantine) -> Quarantine:
        for _ in range(TRIES):
            try:
                self._write(after, self._clock())
            except ConditionFailed as lost:
                if 0 in lost.failed:
                    return before  # imposed or lifted again meanwhile: whoever did sees to it
                continue
            return after.replace(rev=before.rev + 1)
        return before  # many others go on and off notice: the sweeper looks once more

    def _write(self, quarantine: Quarantine, now: int) -> None:
        """The quarantine, and the notice that it is on until all its agents carry it.

        Raises ConditionFailed; index 0 is the quarantine.
        """
        notice = self._quarantines.notice()
        over = quarantine.applied and not quarantine.stands
        changes = (
            self._quarantines.over(quarantine) if over else [self._quarantines.put(quarantine, now)]
        )
        self._store.write(*changes, *self._quarantines.noticed(notice, quarantine))

    def _concerned(self, quarantine: Quarantine) -> Iterator[Agent]:
        match quarantine.what:
            case Quarantined.AGENT:
                return iter(self._agents.get_many([quarantine.name]))
            case Quarantined.CAPABILITY:
                return self._agents.every(quarantine.name, quarantine.seen_to)
            case Quarantined.VERSION:
                return self._agents.every(None, quarantine.seen_to)

    def settle(self, agent_id: str) -> None:
        """Have an agent carry the quarantines that concern it, and no others; take back what it
        holds and may not. Raises Contended.
        """
        for _ in range(TRIES):
            agent = self._agents.get(agent_id)
            if agent is None:
                return
            carries = marks(agent, self._quarantines.about(agent))
            if carries != agent.quarantines:
                after = settled(agent.replace(quarantines=carries), self._clock())
                try:
                    self._store.write(*self._agents.changed(agent, after))
                except ConditionFailed:
                    continue
                agent = after.replace(rev=agent.rev + 1)
                if agent.idle_since is not None:
                    # Also one that was eligible before: another of its capabilities may be open.
                    self._wakeups.announce(agent)
            self._revoke(agent)
            return
        raise Contended(f"agent {agent_id} keeps changing; try again")

    def _revoke(self, agent: Agent) -> None:
        """Take back what the agent holds and may not. It may have the task, so the attempt is not
        handed to another: it fails, and its template says whether it may be done once more.
        """
        if not agent.quarantines:
            return
        for attempt_id in agent.leases:
            mark = barred(agent) or barred_from(agent, self._capability_of(attempt_id))
            if mark is not None:
                bind(agent_id=agent.agent_id)
                said = f"{mark.what} {mark.name} is in quarantine: {mark.reason}"
                lost = Outcome.failure(TaskError.AGENT_LOST, said)
                self._outcomes.lose(attempt_id, agent.agent_id, lost)

    def _capability_of(self, attempt_id: str) -> str | None:
        attempt = self._tasks.attempt(attempt_id)
        return None if attempt is None else attempt.task_message.agent_capability
