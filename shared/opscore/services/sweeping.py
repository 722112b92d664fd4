"""What time brings and nobody else has seen to: the safety net under everything that can get lost.

All of it is found on the `due` indexes, which know when each thing wants to be looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from opscore.errors import OpsCoreError
from opscore.lifecycle.attempts import next_deadline, overdue
from opscore.models.messages import AttemptMessage, ResumeMessage, RoomMessage, WakeMessage
from opscore.models.quarantine import Quarantined
from opscore.models.task import Attempt, AttemptStatus
from opscore.observability import bind, fault, unbind, warn
from opscore.ports import Clock, ConditionFailed, Key, Queue, Store, Table
from opscore.records import keys
from opscore.records.tasks import Tasks
from opscore.records.waiting import (
    AGENT_LIST,
    SESSION_LIST,
    Waiting,
    capability_of,
    subject_of,
)
from opscore.services.collecting import Collector
from opscore.services.dispatch import Dispatcher, NotNow
from opscore.services.handover import UNSENT_RECHECK_MS
from opscore.services.outcomes import Decided, Outcomes
from opscore.services.quarantine import QuarantineService
from opscore.services.recording import Recording

BATCH = 25
RECHECK_MS = 60_000
QUARANTINE_MS = 20_000
"""How long one sweep may see to the agents of one quarantine."""


class Sweeper:
    """Looks at everything due; `time_left` says whether there is time for one more."""

    def __init__(
        self,
        store: Store,
        tasks: Tasks,
        waiting: Waiting,
        queue: Queue,
        dispatcher: Dispatcher,
        outcomes: Outcomes,
        recording: Recording,
        quarantines: QuarantineService,
        collector: Collector,
        clock: Clock,
        *,
        shards: int,
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._waiting = waiting
        self._queue = queue
        self._dispatcher = dispatcher
        self._outcomes = outcomes
        self._recording = recording
        self._quarantines = quarantines
        self._collector = collector
        self._clock = clock
        self._shards = shards

    def sweep(self, time_left: Callable[[], bool] = lambda: True) -> Counter[str]:
        """Look at what is due now, once. Returns how many of each kind were looked at.

        One that fails is left for the next sweep and does not hold up the others.
        """
        seen: Counter[str] = Counter()
        for table in Table:
            for key in self._due(table):
                if not time_left():
                    return seen
                kind = key.pk.split("#", 1)[0]
                try:
                    self._look(kind, key)
                except (OpsCoreError, ConditionFailed, NotNow) as error:
                    warn("left for the next sweep", kind=kind, error=type(error).__name__)
                    seen["failed"] += 1
                except Exception as error:  # noqa: BLE001 (else no sweep would get past it again)
                    fault("left for the next sweep", error)
                    seen["failed"] += 1
                finally:
                    unbind()
                seen[kind] += 1
        return seen

    def oldest_token_age(self) -> float:
        """Age of the oldest attempt that is still open, in seconds; 0 if there is none."""
        oldest = self._tasks.oldest_open()
        return 0.0 if oldest is None else max(self._clock() - oldest, 0) / 1000

    def _due(self, table: Table) -> Iterator[Key]:
        now = self._clock()
        for shard in keys.due_shards():
            after = None
            while True:
                page = self._store.query_index(
                    table, keys.DUE, shard, limit=BATCH, upto=now, after=after
                )
                yield from (key for key, _ in page.items)
                after = page.after
                if after is None:
                    break

    def _look(self, kind: str, key: Key) -> None:
        identity = key.pk.split("#", 1)[1]
        match kind:
            case "attempt":
                attempt = self._tasks.attempt(identity)
                if attempt is not None:
                    bind(session_id=attempt.session_id, task_id=identity)
                    self._attempt(attempt)
            case "session":
                bind(session_id=identity)
                self._recording.reconcile(identity)
            case "machine":
                self._collector.look(identity)
            case "agent":
                bind(agent_id=identity)
                self._dispatcher.reconsider(identity)
            case "flag":
                self._list(identity)
            case "quarantine":
                what, name = key.sk.split("#", 1)
                self._quarantines.go_on(Quarantined(what), name, QUARANTINE_MS)

    def _attempt(self, attempt: Attempt) -> None:
        now = self._clock()
        if overdue(attempt, now) is not None:
            self._dispatcher.deadline(attempt.attempt_id, attempt.fence)
            return
        match attempt.status:
            case AttemptStatus.COMPLETING:
                self._outcomes.send(Decided.of(attempt), again=True)
            case AttemptStatus.RECEIVED:
                # Its message got lost. The next one may be hidden for long, and is then not lost.
                self._queue.send(AttemptMessage(attempt_id=attempt.attempt_id))
                self._look_again(attempt.replace(due_at=now + UNSENT_RECHECK_MS))
            case AttemptStatus.SENDING:
                # The worker that had it got lost.
                if attempt.sending_until is None or attempt.sending_until <= now:
                    self._queue.send(AttemptMessage(attempt_id=attempt.attempt_id))
                self._look_again(attempt.replace(due_at=now + RECHECK_MS))
            case AttemptStatus.SENT | AttemptStatus.RUNNING:
                if attempt.deadline is None:
                    # The agent spoke, and then the worker that had sent it the task died.
                    deadline = now + round(attempt.message.timeout * 1000)
                    attempt = attempt.replace(deadline=deadline, heartbeat_at=now)
                self._look_again(attempt.replace(due_at=next_deadline(attempt)))
            case AttemptStatus.WAITING:
                # Whoever put it on record may have died before the rest.
                self._queue.send(AttemptMessage(attempt_id=attempt.attempt_id))
                self._look_again(attempt.replace(due_at=attempt.deadline))
            case AttemptStatus.PARKED:
                self._look_again(attempt.replace(due_at=attempt.wait_deadline))

    def _look_again(self, attempt: Attempt) -> None:
        self._store.write(self._tasks.put(attempt))

    def _list(self, list_name: str) -> None:
        """A waiting list that has stood for a while: wake whoever could take from it."""
        flag = self._waiting.flag(list_name)
        if flag is None:
            return
        if not self._waiting.first(list_name, 1):
            self._store.write(self._waiting.lowered(flag))
            return
        self._store.write(self._waiting.rearmed(flag, self._clock()))
        if capability_of(list_name) is None and list_name.startswith(SESSION_LIST):
            self._queue.send(ResumeMessage(session_id=list_name.removeprefix(SESSION_LIST)))
            return
        subject = subject_of(list_name)
        if subject is not None:
            self._queue.send(RoomMessage.of(subject))
            return
        for agent_id in self._who_could(list_name):
            self._queue.send(WakeMessage(agent_id=agent_id, lists=(list_name,)))

    def _who_could(self, list_name: str) -> list[str]:
        capability = capability_of(list_name)
        if capability is None:
            return [list_name.removeprefix(AGENT_LIST)]
        return [
            agent_id
            for shard in range(self._shards)
            for agent_id in self._waiting.idle_agents(capability, shard)
        ]
