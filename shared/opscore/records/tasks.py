"""How tasks and their attempts lie in the work table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from opscore.lifecycle.attempts import task_with
from opscore.models.messages import ApprovalMessage
from opscore.models.outcome import Outcome
from opscore.models.policy import Policy, Subject
from opscore.models.session import Session
from opscore.models.task import Attempt, AttemptStatus, LastWord, Task
from opscore.ports import Put, Scalar, Store, Table, Update
from opscore.records import keys
from opscore.records.codec import decode, encode
from opscore.records.paging import Listing, index_page, merged

PAGE = 200
LONGEST_RUN_DAYS = 366
"""An execution ends after a year at the latest; until then its tasks' records must stay."""


@dataclass(frozen=True)
class Work:
    """An attempt with the task and the session that it belongs to, as far as they exist."""

    attempt: Attempt | None
    task: Task | None
    session: Session | None
    policies: tuple[Policy, ...] = ()


class Tasks:
    """Reads tasks and attempts, and makes the changes that write them."""

    def __init__(self, store: Store, retention_days: int) -> None:
        self._store = store
        self._retention_days = retention_days

    def attempt(self, attempt_id: str) -> Attempt | None:
        item = self._store.get(keys.attempt(attempt_id))
        return None if item is None else decode(Attempt, item)

    def work(
        self,
        attempt_id: str,
        session_id: str,
        task_key: str,
        subjects: Sequence[Subject] = (),
    ) -> Work:
        """All that dispatch needs to know, in one request; of the subjects, their policies."""
        wanted = (
            keys.attempt(attempt_id),
            keys.task(session_id, task_key),
            keys.session(session_id),
        )
        policies = [keys.policy(str(subject)) for subject in subjects]
        found = self._store.get_many([*wanted, *policies])
        attempt, task, session = (found.get(key) for key in wanted)
        return Work(
            None if attempt is None else decode(Attempt, attempt),
            None if task is None else decode(Task, task),
            None if session is None else decode(Session, session),
            tuple(decode(Policy, found[key]) for key in policies if key in found),
        )

    def of_session(self, session_id: str) -> list[Task]:
        """All of the session's tasks, in the order in which they first asked for an agent."""
        partition, tasks, after = keys.session_partition(session_id), list[Task](), None
        while True:
            page = self._store.query(Table.WORK, partition, prefix="task#", limit=PAGE, after=after)
            tasks += [decode(Task, item) for _, item in page.items]
            after = page.after
            if after is None:
                return sorted(tasks, key=lambda task: (task.asked_at, task.task_key))

    def in_sessions(self, session_ids: Sequence[str], task_key: str) -> dict[str, Task]:
        """The task of that key in each of the sessions that has one, in one request."""
        found = self._store.get_many([keys.task(one, task_key) for one in session_ids])
        tasks = (decode(Task, item) for item in found.values())
        return {task.session_id: task for task in tasks}

    def first_asked(self, task: Task) -> int:
        """When the task was asked for first (ms), before any of its retries and repetitions."""
        first = self.attempt(task.attempts[0]) if task.attempts else None
        return task.asked_at if first is None else min(first.asked_at, task.asked_at)

    def attempts_of(self, tasks: Sequence[Task]) -> dict[str, Attempt]:
        """The attempts of those tasks, by id."""
        wanted = [keys.attempt(attempt_id) for task in tasks for attempt_id in task.attempts]
        found = self._store.get_many(wanted)
        return {
            attempt.attempt_id: attempt
            for attempt in (decode(Attempt, item) for item in found.values())
        }

    def put(self, attempt: Attempt) -> Put:
        """The whole attempt, if nobody wrote it since it was read."""
        item = encode(attempt) | keys.due(attempt.attempt_id, attempt.due_at)
        if attempt.status is AttemptStatus.CLOSED:
            item |= keys.expiry(attempt.ended_at or attempt.created_at, self._retention_days)
        else:
            item |= _places(attempt)
        return Put(keys.attempt(attempt.attempt_id), item, rev=attempt.rev)

    def moved(
        self,
        attempt_id: str,
        fence: int,
        while_in: Collection[AttemptStatus],
        fields: Mapping[str, Scalar],
    ) -> Update:
        """Some fields of an attempt, by their stored names, while it is in the same hands."""
        return Update(keys.attempt(attempt_id), fields, expect={"fence": fence, "status": while_in})

    def completing(
        self,
        attempt_id: str,
        outcome: Outcome,
        due_at: int,
        expect: Mapping[str, Scalar | Collection[Scalar]],
    ) -> Update:
        """The attempt's one accepted outcome, to be sent until it has been."""
        fields = {
            "status": AttemptStatus.COMPLETING,
            "outcome": outcome.model_dump_json(by_alias=True),
            "waitingList": None,
            "waitingKey": None,
            "listPk": _open_partition(attempt_id),
            "statusPk": None,
            **keys.due(attempt_id, due_at),
        }
        return Update(keys.attempt(attempt_id), fields, expect)

    def closed(self, attempt_id: str, ended_at: int, *, superseded: bool) -> Update:
        """The attempt whose outcome has been sent, or can't be any more."""
        fields: dict[str, Scalar] = {
            "status": AttemptStatus.CLOSED,
            "endedAt": ended_at,
            "superseded": superseded,
            "slots": None,
            "listPk": None,
            "listSk": None,
            **keys.due(attempt_id, None),
            **keys.expiry(ended_at, self._retention_days),
        }
        expect = {"status": AttemptStatus.COMPLETING}
        return Update(keys.attempt(attempt_id), fields, expect)

    def oldest_open(self) -> int | None:
        """When the oldest attempt without an end was made (ms), if there is one. One that waits for
        a signal or a child session counts from the end of its time, one for a person not at all.
        """
        since: list[int] = []
        for shard in range(keys.INDEX_SHARDS):
            page = self._store.query_index(Table.WORK, keys.LIST, f"open#{shard}", limit=1)
            oldest = self._store.get_many([key for key, _ in page.items])
            since += [int(str(item["listSk"]).split("#", 1)[0]) for item in oldest.values()]
        return min(since, default=None)

    def open(self, *, limit: int, cursor: str | None) -> Listing[Attempt]:
        """A page of the attempts without an end, the oldest first; those that wait for a signal or
        a child session by the end of their time.
        """
        shards = range(keys.INDEX_SHARDS)
        partitions = [*(f"open#{shard}" for shard in shards), _approvals_partition(None)]
        wanted, next_cursor = merged(
            self._store,
            Table.WORK,
            keys.LIST,
            partitions,
            list_name="open",
            limit=limit,
            cursor=cursor,
        )
        found = self._store.get_many(wanted)
        attempts = [decode(Attempt, found[key]) for key in wanted if key in found]
        ended = AttemptStatus.CLOSED
        return Listing([a for a in attempts if a.status is not ended], next_cursor)

    def approvals(
        self, *, workflow_id: str | None, limit: int, cursor: str | None
    ) -> Listing[Attempt]:
        """A page of the attempts that wait for a person, the oldest first."""
        partition = _approvals_partition(workflow_id)
        page = index_page(
            self._store,
            Attempt,
            Table.WORK,
            keys.LIST if workflow_id is None else keys.BY_STATUS,
            partition,
            list_name=partition,
            limit=limit,
            cursor=cursor,
        )
        return Listing([a for a in page.items if is_open_approval(a)], page.next_cursor)

    def recorded(self, attempt: Attempt, task: Task | None) -> tuple[Task, list[Put]]:
        """The task with this attempt on record, as it will be once the changes are written."""
        record = task_with(attempt, task)
        if record == task:
            return record, []
        days = LONGEST_RUN_DAYS + self._retention_days
        item = encode(record) | keys.expiry(record.asked_at, days)
        change = Put(keys.task(record.session_id, record.task_key), item, rev=record.rev)
        return record.replace(rev=record.rev + 1), [change]

    def ended(self, session_id: str, task_key: str, last: LastWord) -> Update:
        """The task's record of how its newest attempt ended."""
        return Update(
            keys.task(session_id, task_key),
            {"last": last.model_dump_json(by_alias=True)},
            expect={},
        )


def is_open_approval(attempt: Attempt) -> bool:
    """Whether a person is waited for."""
    waits = attempt.status is AttemptStatus.WAITING
    return waits and isinstance(attempt.message, ApprovalMessage)


def _places(attempt: Attempt) -> dict[str, Scalar]:
    """An open attempt's places in the lists."""
    waits = attempt.status is AttemptStatus.WAITING
    if is_open_approval(attempt):
        return {
            "listPk": _approvals_partition(None),
            "statusPk": _approvals_partition(attempt.message.workflow_id),
            "listSk": f"{attempt.created_at:013d}#{attempt.attempt_id}",
        }
    since = attempt.deadline if waits and attempt.deadline is not None else attempt.created_at
    return {
        "listPk": _open_partition(attempt.attempt_id),
        "listSk": f"{since:013d}#{attempt.attempt_id}",
    }


def _approvals_partition(workflow_id: str | None) -> str:
    return "approvals" if workflow_id is None else f"approvals#{workflow_id}"


def _open_partition(attempt_id: str) -> str:
    return f"open#{keys.shard_of(attempt_id, keys.INDEX_SHARDS)}"
