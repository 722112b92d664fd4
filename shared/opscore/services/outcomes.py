"""How an attempt ends: one accepted outcome, sent until it has been, then the lease released."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from opscore.errors import Contended
from opscore.lifecycle.agents import released, spoke_late
from opscore.lifecycle.attempts import superseded
from opscore.models.agent import Agent
from opscore.models.outcome import TAKEN_BACK, TIMEOUTS, Outcome
from opscore.models.task import Attempt, AttemptStatus, LastWord, Task
from opscore.observability import note
from opscore.ports import Change, Clock, ConditionFailed, Scalar, Store, TokenGone, Tokens
from opscore.records.agents import Agents
from opscore.records.codec import text
from opscore.records.policies import given_back
from opscore.records.tasks import Tasks
from opscore.records.waiting import Waiting
from opscore.services import TRIES
from opscore.services.wakeups import Wakeups

RESEND_MS = 30_000
"""How long after its decision an outcome that has not been sent is sent again."""


@dataclass(frozen=True)
class Decided:
    """An attempt with its accepted outcome, and what it takes to send that."""

    attempt_id: str
    agent_id: str | None
    token: str = field(repr=False)
    outcome: Outcome
    slots: tuple[str, ...] = ()

    @classmethod
    def of(cls, attempt: Attempt) -> Decided:
        """Of an attempt that is completing."""
        assert attempt.outcome is not None
        return cls(
            attempt.attempt_id,
            attempt.agent_id,
            attempt.message.token,
            attempt.outcome,
            attempt.slots,
        )


class Outcomes:
    """Decides, sends and closes."""

    def __init__(
        self,
        store: Store,
        agents: Agents,
        tasks: Tasks,
        waiting: Waiting,
        tokens: Tokens,
        wakeups: Wakeups,
        clock: Clock,
        *,
        drain_ms: int,
    ) -> None:
        self._store = store
        self._agents = agents
        self._tasks = tasks
        self._waiting = waiting
        self._tokens = tokens
        self._wakeups = wakeups
        self._clock = clock
        self._drain_ms = drain_ms

    def decision(
        self,
        attempt_id: str,
        session_id: str,
        task_key: str,
        agent_id: str | None,
        outcome: Outcome,
        expect: dict[str, Scalar | Collection[Scalar]],
    ) -> list[Change]:
        """The changes that make an outcome the accepted one, if the attempt is as expected; the
        attempt's is the first.
        """
        last = LastWord(
            attempt_id=attempt_id,
            agent_id=agent_id,
            outcome=outcome.model_copy(update={"result": None}),
            at=self._clock(),
        )
        return [
            self._tasks.completing(
                attempt_id,
                outcome,
                self._clock() + RESEND_MS,
                expect,
            ),
            self._tasks.ended(session_id, task_key, last),
        ]

    def end(self, attempt: Attempt, outcome: Outcome, more: Sequence[Change] = ()) -> bool:
        """End an attempt with an outcome of our own (a timeout, an undeliverable message), if it
        still is exactly as it was read; `more` is written with that. False if anything stood in the
        way: someone else was faster.
        """
        changes = self.decision(
            attempt.attempt_id,
            attempt.session_id,
            attempt.message.task_key,
            attempt.agent_id,
            outcome,
            {"rev": attempt.rev},
        )
        try:
            self._store.write(*changes, *self._waiting.taken(attempt), *more)
        except ConditionFailed:
            return False
        self.send(Decided.of(attempt.replace(outcome=outcome)))
        return True

    def lose(self, attempt_id: str, agent_id: str, lost: Outcome) -> None:
        """End an attempt that its agent is to have no more, if it still has it."""
        for _ in range(TRIES):
            attempt = self._tasks.attempt(attempt_id)
            if attempt is None or attempt.outcome is not None or attempt.agent_id != agent_id:
                return
            if self.end(attempt, lost):
                return
        raise Contended(f"attempt {attempt_id} keeps changing; try again")

    def refuse(self, attempt: Attempt, task: Task | None, outcome: Outcome) -> bool:
        """Like `end`, for an attempt that may not be on record yet: it gets there first, with its
        task, so that people can see it. Raises ConditionFailed.
        """
        if attempt.rev == 0:
            _, task_changes = self._tasks.recorded(attempt, task)
            self._store.write(self._tasks.put(attempt), *task_changes)
            attempt = attempt.replace(rev=1)
        return self.end(attempt, outcome)

    def send(self, decided: Decided, agent: Agent | None = None, *, again: bool = False) -> bool:
        """Tell Step Functions of the accepted outcome, then close the attempt and free its slot.
        Returns whether Step Functions took it.

        Safe to repeat. `agent`: as it was last written, where the caller knows; `again`: whoever
        decided it may have told already, and died then.
        """
        told = self.tell(decided.token, decided.outcome)
        # A token that is gone when it is answered again was, as a rule, answered the first time.
        too_late = not told and not again
        note(
            "task ended",
            attempt_id=decided.attempt_id,
            error_code=decided.outcome.error_code,
            superseded=too_late,
        )
        closed = self._tasks.closed(decided.attempt_id, self._clock(), superseded=too_late)
        code = decided.outcome.error_code
        self._free(
            decided.attempt_id,
            decided.agent_id,
            [closed],
            drain=code in TAKEN_BACK,
            silent=code in TIMEOUTS,
            agent=agent,
            slots=decided.slots,
        )
        return told

    def tell(self, token: str, outcome: Outcome) -> bool:
        """Answer a token, and nothing else; False if it can't be answered any more."""
        try:
            if outcome.error_code is None:
                self._tokens.succeed(token, text(outcome.result))
            else:
                self._tokens.fail(token, outcome.error_code, outcome.message)
        except TokenGone:
            return False
        return True

    def supersede(self, attempt: Attempt) -> None:
        """Close an attempt whose session has ended: there is no one to tell. Its agent may still
        be at it, so the slot drains.

        Raises Contended when others keep writing the attempt.
        """
        for _ in range(TRIES):
            if attempt.status is AttemptStatus.CLOSED:
                return
            closed = superseded(attempt, self._clock())
            changes = [self._tasks.put(closed), *self._waiting.taken(attempt)]
            if self._free(
                attempt.attempt_id, attempt.agent_id, changes, drain=True, slots=attempt.slots
            ):
                return
            found = self._tasks.attempt(attempt.attempt_id)
            if found is None:
                return
            attempt = found
        raise Contended(f"attempt {attempt.attempt_id} keeps changing; try again")

    def _free(
        self,
        attempt_id: str,
        agent_id: str | None,
        changes: list[Change],
        *,
        drain: bool,
        silent: bool = False,
        agent: Agent | None = None,
        slots: tuple[str, ...] = (),
    ) -> bool:
        """Write the attempt's last changes with its lease released and its slots given back; False
        if the attempt itself (the first change) stood in the way.
        """
        for _ in range(TRIES):
            if agent is None and agent_id is not None:
                agent = self._agents.get(agent_id)
            before = agent if agent is not None and attempt_id in agent.leases else None
            after = None
            if before is not None:
                now = self._clock()
                until = now + self._drain_ms if drain else None
                after = released(before, attempt_id, now, drain_until=until, silent=silent)
            release = [] if before is None or after is None else self._agents.changed(before, after)
            try:
                self._store.write(*changes, *release, *given_back(slots))
            except ConditionFailed as refusal:
                if 0 in refusal.failed:
                    return False
                agent = None
                continue
            if before is not None and after is not None:
                self._wakeups.after_change(before, after)
                ends = after.draining[-1].until if drain else after.cooldown_until
                self._wakeups.later(after.agent_id, ends)
            self._wakeups.room(slots)
            return True
        raise Contended(f"agent {agent_id} keeps changing; try again")

    def heard_late(self, agent_id: str, attempt_id: str) -> None:
        """Note that an agent is there, and no longer at a task: it gave its own word on it, after
        the task was taken back. Raises Contended.
        """
        for _ in range(TRIES):
            agent = self._agents.get(agent_id)
            if agent is None:
                return
            after = spoke_late(agent, attempt_id, self._clock())
            try:
                self._store.write(*self._agents.changed(agent, after))
            except ConditionFailed:
                continue
            self._wakeups.after_change(agent, after)
            return
        raise Contended(f"agent {agent_id} keeps changing; try again")
