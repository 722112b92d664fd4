"""An agent's own word on its task: done, failed, still at it. Only the holder of the lease is
heard, and an identical repeat gets its first answer again.
"""

from __future__ import annotations

from pydantic import JsonValue

from opscore.errors import Contended, OutcomeDiffers, StaleFence, TaskNotFound
from opscore.lifecycle.attempts import LEASED
from opscore.models.agent import Agent
from opscore.models.outcome import TAKEN_BACK, Outcome
from opscore.models.task import Attempt, AttemptStatus
from opscore.observability import bind
from opscore.ports import Clock, ConditionFailed, Scalar, Store
from opscore.records import keys
from opscore.records.codec import decode
from opscore.records.paging import Listing
from opscore.records.tasks import Tasks
from opscore.services import TRIES
from opscore.services.judging import judged
from opscore.services.outcomes import Decided, Outcomes

MAX_FENCE_DIGITS = 9
"""Far more hand-overs than an attempt can have, and far from what a number in DynamoDB can't be."""


class OwnWord:
    """Takes outcomes and heartbeats by `<attempt>.<fence>`."""

    def __init__(self, store: Store, tasks: Tasks, outcomes: Outcomes, clock: Clock) -> None:
        self._store = store
        self._tasks = tasks
        self._outcomes = outcomes
        self._clock = clock

    def complete(self, reference: str, agent_id: str | None, result: JsonValue) -> Outcome:
        """The outcome that the result is: a failure if it does not fit the task's schema.

        Raises TaskNotFound, StaleFence, OutcomeDiffers, Contended.
        """
        return self._decide(reference, agent_id, Outcome.success(result))

    def fail(self, reference: str, agent_id: str | None, code: str, message: str) -> None:
        """Raises TaskNotFound, StaleFence, OutcomeDiffers, Contended."""
        self._decide(reference, agent_id, Outcome.failure(code, message))

    def heartbeat(self, reference: str, agent_id: str | None) -> None:
        """Note that the agent is still at it. Raises TaskNotFound, StaleFence, Contended."""
        for _ in range(TRIES):
            attempt, _agent = self._held(reference, agent_id)
            if attempt.status not in LEASED:
                raise StaleFence("the task has ended")
            running: dict[str, Scalar] = {
                "heartbeatAt": self._clock(),
                "status": AttemptStatus.RUNNING,
            }
            change = self._tasks.moved(attempt.attempt_id, attempt.fence, LEASED, running)
            try:
                self._store.write(change)
            except ConditionFailed:
                continue
            return
        raise Contended("the task keeps changing; try again")

    def open(self, *, limit: int, cursor: str | None) -> Listing[Attempt]:
        """A page of the attempts without an end, the oldest first."""
        return self._tasks.open(limit=limit, cursor=cursor)

    def read(self, reference: str) -> Attempt:
        """The attempt, by its id or by any reference to it. Raises TaskNotFound."""
        attempt_id, _ = parse_reference(reference)
        attempt = self._tasks.attempt(attempt_id)
        if attempt is None:
            raise TaskNotFound(reference)
        return attempt

    def _decide(self, reference: str, agent_id: str | None, said: Outcome) -> Outcome:
        for _ in range(TRIES):
            attempt, agent = self._held(reference, agent_id)
            outcome = judged(attempt, said)
            if attempt.status not in LEASED:
                self._repeat(attempt, outcome)
                return outcome
            changes = self._outcomes.decision(
                attempt.attempt_id,
                attempt.session_id,
                attempt.message.task_key,
                attempt.agent_id,
                outcome,
                {"status": LEASED, "fence": attempt.fence},
            )
            try:
                self._store.write(*changes)
            except ConditionFailed:
                continue
            self._outcomes.send(Decided.of(attempt.replace(outcome=outcome)), agent)
            return outcome
        raise Contended("the task keeps changing; try again")

    def _repeat(self, attempt: Attempt, outcome: Outcome) -> None:
        if attempt.outcome is None:
            raise StaleFence("the task has ended without an outcome of its agent's")
        if attempt.outcome.error_code in TAKEN_BACK and attempt.agent_id is not None:
            self._outcomes.heard_late(attempt.agent_id, attempt.attempt_id)
        if attempt.outcome != outcome:
            raise OutcomeDiffers("the task has another outcome already")
        if attempt.status is AttemptStatus.COMPLETING:
            self._outcomes.send(Decided.of(attempt), again=True)

    def _held(self, reference: str, agent_id: str | None) -> tuple[Attempt, Agent | None]:
        """The attempt, and its agent if that was named: both by one request."""
        attempt_id, fence = parse_reference(reference)
        found = self._store.get_many(
            [keys.attempt(attempt_id), *([] if agent_id is None else [keys.agent(agent_id)])]
        )
        if keys.attempt(attempt_id) not in found or fence is None:
            raise TaskNotFound(reference)
        attempt = decode(Attempt, found[keys.attempt(attempt_id)])
        bind(session_id=attempt.session_id, task_id=attempt_id, agent_id=attempt.agent_id)
        if attempt.fence != fence or attempt.agent_id is None:
            raise StaleFence("the task was handed to someone else since")
        if agent_id is None:
            return attempt, None
        if agent_id != attempt.agent_id:
            raise StaleFence("the task is held by another agent")
        item = found.get(keys.agent(agent_id))
        agent = None if item is None else decode(Agent, item)
        # The two were not read at one moment: an agent from before its claim is of no use.
        return attempt, agent if agent is not None and attempt_id in agent.leases else None


def parse_reference(reference: str) -> tuple[str, int | None]:
    """The attempt and the fence that an `opscore_task_id` names; an attempt's id alone names no
    fence.
    """
    attempt_id, dot, fence = reference.rpartition(".")
    if not dot:
        return reference, None
    known = fence.isascii() and fence.isdigit() and len(fence) <= MAX_FENCE_DIGITS
    return attempt_id, int(fence) if known else None
