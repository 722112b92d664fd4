"""Deployments with a bug in them, each of a kind that an invariant is there to find."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from pydantic import JsonValue

from opscore.lifecycle.sessions import FINAL
from opscore.models.agent import Agent
from opscore.models.outcome import TIMEOUTS, Outcome
from opscore.models.session import Session, SessionStatus
from opscore.models.task import Attempt, AttemptStatus, Task
from opscore.ports import Change, Delete, Execution, Put, Table, Update
from opscore.records import keys
from opscore.services.candidates import Candidates
from opscore.services.dispatch import Dispatcher
from opscore.services.outcomes import Decided, Outcomes
from opscore.services.own_word import OwnWord
from opscore.services.recording import Recording
from opscore.services.sessions import SessionService
from opscore.services.sweeping import Sweeper
from opscore.services.wakeups import Wakeups
from tests.simulation.scenario import MIXED, Fault, Scenario
from tests.simulation.watched import WatchedStore
from tests.simulation.world import World

S = TypeVar("S")


def turned(service: S, bad: type[S]) -> S:
    """The service, wired as it is, with the bug of a subclass."""
    service.__class__ = bad
    return service


# ---- services


class NeverLooksAgain(Candidates):
    """Who has parked a task does not look once more who is idle."""

    def find(
        self, attempt: Attempt, task: Task | None, but: Collection[str], lost: int = 0
    ) -> Agent | None:
        if attempt.status is AttemptStatus.PARKED:
            return None
        return super().find(attempt, task, but, lost)


class ParksAndLeaves(World):
    @cached_property
    def dispatcher(self) -> Dispatcher:
        dispatcher = super().dispatcher
        turned(dispatcher._candidates, NeverLooksAgain)
        return dispatcher


class WakesNobody(Wakeups):
    def after_change(self, before: Agent, after: Agent) -> None:
        """An agent that has become free is not announced."""


class ReleasesInSilence(World):
    @cached_property
    def wakeups(self) -> Wakeups:
        return turned(super().wakeups, WakesNobody)


class ForgetsCooldowns(Wakeups):
    def later(self, agent_id: str, at: int | None) -> None:
        """Nobody looks when a cool-down ends."""


class NoReconsidering(World):
    """Neither by message nor by sweep."""

    @cached_property
    def wakeups(self) -> Wakeups:
        return turned(super().wakeups, ForgetsCooldowns)

    @cached_property
    def dispatcher(self) -> Dispatcher:
        return turned(super().dispatcher, ReconsidersNobody)


class ReconsidersNobody(Dispatcher):
    def reconsider(self, agent_id: str) -> None:
        """Time does not change an agent."""


class HearsAnyone(OwnWord):
    """A word counts for the task it names, whoever has that by now."""

    def complete(self, reference: str, agent_id: str | None, result: JsonValue) -> Outcome:
        return super().complete(self._now(reference), None, result)

    def _now(self, reference: str) -> str:
        attempt = self.read(reference)
        return f"{attempt.attempt_id}.{attempt.fence}"


class DropsTheFence(World):
    @cached_property
    def own_word(self) -> OwnWord:
        return turned(super().own_word, HearsAnyone)


class ClosesFirst(Outcomes):
    """The attempt is closed before its token is answered."""

    def send(self, decided: Decided, agent: Agent | None = None, *, again: bool = False) -> bool:
        closed = self._tasks.closed(decided.attempt_id, self._clock(), superseded=False)
        drain = decided.outcome.error_code in TIMEOUTS
        self._free(decided.attempt_id, decided.agent_id, [closed], drain=drain)
        return self.tell(decided.token, decided.outcome)


class ClosesBeforeItTells(World):
    @cached_property
    def outcomes(self) -> Outcomes:
        return turned(super().outcomes, ClosesFirst)


class FreesSlotsAtOnce(World):
    """The slot of a task that was given up is free while its agent may still speak of it."""

    drain_seconds = 1


class LooksAtNoDeadline(Dispatcher):
    def deadline(self, attempt_id: str, fence: int) -> None:
        """Neither a message nor a sweep ends what takes too long."""


class IgnoresDeadlines(World):
    @cached_property
    def dispatcher(self) -> Dispatcher:
        return turned(super().dispatcher, LooksAtNoDeadline)


class TakesNobodysPlace(Dispatcher):
    def _take_over(self, attempt: Attempt, envelope: Any) -> None:
        """What another worker was sending is taken for delivered."""


class TrustsDeadWorkers(World):
    @cached_property
    def dispatcher(self) -> Dispatcher:
        return turned(super().dispatcher, TakesNobodysPlace)


class TakesAnyAgent(Candidates):
    """An agent that is listed is taken, whatever it holds by now."""

    def _usable(self, agent_id: str, capability: str | None) -> Agent | None:
        agent = self._agents.get(agent_id)
        return None if agent is None or capability not in (None, *agent.capabilities) else agent


class Overbooks(World):
    @cached_property
    def dispatcher(self) -> Dispatcher:
        dispatcher = super().dispatcher
        turned(dispatcher._candidates, TakesAnyAgent)
        return dispatcher


class NeverSendsAgain(Sweeper):
    """An outcome that was decided and not told is left so."""

    def _attempt(self, attempt: Attempt) -> None:
        if attempt.status is not AttemptStatus.COMPLETING:
            super()._attempt(attempt)


class LeavesOutcomesUntold(World):
    @cached_property
    def sweeper(self) -> Sweeper:
        return turned(super().sweeper, NeverSendsAgain)


class LooksAtOneTable(Sweeper):
    def _list(self, list_name: str) -> None:
        """Lists are not looked at: what a lost wake-up left there stays."""


class SweepsNoLists(World):
    @cached_property
    def sweeper(self) -> Sweeper:
        return turned(super().sweeper, LooksAtOneTable)


class NeverReconciles(Recording):
    def reconcile(self, session_id: str) -> None:
        """Sessions whose events never came are not looked at."""


class TrustsEvents(World):
    @cached_property
    def recording(self) -> Recording:
        return turned(super().recording, NeverReconciles)


class LastEventWins(Recording):
    """An event that comes late opens a session again."""

    def event(self, session_id: str, execution: Execution) -> None:
        session = self._sessions.get(session_id)
        if session is not None and session.status in FINAL and execution.status == "RUNNING":
            reopened = session.replace(status=SessionStatus.RUNNING)
            self._store.write(self._sessions.put(reopened))
            return
        super().event(session_id, execution)


class ReopensSessions(World):
    @cached_property
    def recording(self) -> Recording:
        return turned(super().recording, LastEventWins)


class ResumesInName(SessionService):
    """The tasks that a paused session held are not told that it runs again."""

    def _follow(self, after: Session, asked: SessionStatus | None) -> None:
        if after.status is not SessionStatus.RUNNING:
            super()._follow(after, asked)


class ResumesNoTask(World):
    @cached_property
    def sessions(self) -> SessionService:
        return turned(super().sessions, ResumesInName)


# ---- writes


class Altered(WatchedStore):
    """A store in which the changes are other than what was asked for."""

    def write(self, *changes: Change) -> None:
        super().write(*map(self.altered, changes))

    def altered(self, change: Change) -> Change:
        return change


class NoWatermarks(Altered):
    """Leases without a watermark: all that their agent ever said is about them."""

    def altered(self, change: Change) -> Change:
        if isinstance(change, Put) and change.key.sk == "agent":
            leases = json.loads(str(change.item["leases"]))
            for lease in leases.values():
                lease["watermark"] = 0
            return replace(change, item={**change.item, "leases": json.dumps(leases)})
        return change


class IgnoresWatermarks(World):
    watched_by = NoWatermarks


class AnyOutcome(Altered):
    """An outcome is taken whatever the attempt has become."""

    def altered(self, change: Change) -> Change:
        if isinstance(change, Update) and change.set.get("status") == AttemptStatus.COMPLETING:
            return replace(change, expect={})
        return change


class AcceptsTwice(World):
    watched_by = AnyOutcome


class KeepsLeases(WatchedStore):
    """An attempt is closed, and its lease stays."""

    def write(self, *changes: Change) -> None:
        closes = any(
            isinstance(change, Update) and change.set.get("status") == AttemptStatus.CLOSED
            for change in changes
        )
        kept = [c for c in changes if not (closes and c.key.table is Table.AGENTS)]
        super().write(*kept)


class ForgetsToRelease(World):
    watched_by = KeepsLeases


class FlagsGoToo(WatchedStore):
    """Who takes an entry from a waiting list lowers its flag, whatever else is in the list."""

    def write(self, *changes: Change) -> None:
        taken = {c.key.pk for c in changes if c.key.pk.startswith("waiting#")}
        lists = [pk.removeprefix("waiting#") for pk in taken]
        kept = {change.key for change in changes}
        flags = [keys.flag(name) for name in lists if keys.flag(name) not in kept]
        super().write(*changes, *map(Delete, flags))


class LowersFlagsEarly(World):
    watched_by = FlagsGoToo


@dataclass(frozen=True)
class Plant:
    """A bug, where it shows, and the invariants that find it."""

    world: type[World]
    invariants: tuple[str, ...]
    size: str = MIXED
    faults: tuple[Fault, ...] = tuple(Fault)

    def scenario(self, seed: int) -> Scenario:
        return replace(Scenario.of(seed, self.size), faults=frozenset(self.faults))


_RACES = (Fault.LATE, Fault.REPORTS)
_GIVEN_UP = (Fault.PEOPLE, Fault.TOKENS)
_AGENTS = (Fault.CONDUCT, Fault.REPORTS)

PLANTED = (
    Plant(ParksAndLeaves, ("no task waits unseen",), "crowd", _RACES),
    Plant(ReleasesInSilence, ("no task waits unseen",), faults=()),
    Plant(
        NoReconsidering,
        ("no task waits unseen", "what is due is looked at"),
        faults=(Fault.CONDUCT,),
    ),
    Plant(SweepsNoLists, ("what is due is looked at",), faults=(Fault.CONDUCT,)),
    Plant(ResumesNoTask, ("no task waits unseen",), faults=(Fault.PEOPLE,)),
    Plant(LowersFlagsEarly, ("lists with entries have flags",), faults=()),
    Plant(DropsTheFence, ("the outcome is the task's own",), faults=(Fault.GATEWAY,)),
    Plant(IgnoresWatermarks, ("the outcome is the task's own",), faults=(Fault.REPORTS,)),
    Plant(FreesSlotsAtOnce, ("the outcome is the task's own",), "crowd", _GIVEN_UP),
    Plant(
        AcceptsTwice,
        ("one accepted outcome", "final states never change", "leases are released"),
        faults=_AGENTS,
    ),
    Plant(ClosesBeforeItTells, ("a token is answered, or dead",)),
    Plant(LeavesOutcomesUntold, ("what is due is looked at",), faults=(Fault.CRASHES,)),
    Plant(ForgetsToRelease, ("leases are released",), faults=()),
    Plant(Overbooks, ("leases fit into slots",), faults=()),
    Plant(IgnoresDeadlines, ("what is due is looked at",), faults=(Fault.CONDUCT,)),
    Plant(TrustsDeadWorkers, ("no lease outlives its time",), faults=(Fault.CRASHES,)),
    Plant(TrustsEvents, ("what is due is looked at",), faults=(Fault.EVENTS,)),
    Plant(ReopensSessions, ("final states never change",), faults=(Fault.EVENTS,)),
)
