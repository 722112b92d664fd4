"""Fakes with memory for every port; `tests/contracts` holds each to its adapter's behaviour."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from opscore.models.agent import Agent
from opscore.models.messages import Message
from opscore.models.task import Attempt
from opscore.ports import (
    Add,
    Change,
    Check,
    ConditionFailed,
    Delete,
    Delivered,
    Execution,
    Item,
    Key,
    Page,
    Put,
    Refused,
    Scalar,
    Table,
    TokenGone,
    Update,
    Upsert,
)
from opscore.records.keys import INDEX_KEYS


class Items(dict[Key, dict[str, Scalar]]):
    """Items by key. Each partition of a table or an index knows the keys that ever were in it, so
    that a query need not look at everything.
    """

    def __init__(self) -> None:
        super().__init__()
        self._partitions: dict[tuple[str, ...], set[Key]] = {}

    def __setitem__(self, key: Key, item: dict[str, Scalar]) -> None:
        super().__setitem__(key, item)
        self._partitions.setdefault((key.table, key.pk), set()).add(key)
        for index, (partition_key, _) in INDEX_KEYS.items():
            partition = item.get(partition_key)
            if partition is not None:
                self._partitions.setdefault((key.table, index, str(partition)), set()).add(key)

    def partition(self, *name: str) -> list[Key]:
        """The keys of a partition of a table, and some that have left it if it is an index's."""
        found = self._partitions.get(name, set())
        gone = [key for key in found if key not in self]
        found.difference_update(gone)
        return list(found)


class MemoryStore:
    """Items in a dictionary; a write is one step under a lock, as a transaction is."""

    def __init__(self) -> None:
        self.items = Items()
        self._lock = threading.RLock()

    def get(self, key: Key) -> Item | None:
        with self._lock:
            found = self.items.get(key)
            return None if found is None else dict(found)

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Item]:
        with self._lock:
            return {key: dict(self.items[key]) for key in keys if key in self.items}

    def query(
        self,
        table: Table,
        pk: str,
        *,
        limit: int,
        prefix: str = "",
        between: tuple[str, str] | None = None,
        after: Mapping[str, Scalar] | None = None,
        newest_first: bool = False,
    ) -> Page:
        with self._lock:
            found = sorted(
                self.items.partition(table, pk),
                key=lambda key: key.sk,
                reverse=newest_first,
            )
            found = [key for key in found if key.sk.startswith(prefix)]
            if between is not None:
                found = [key for key in found if between[0] <= key.sk <= between[1]]
            if after is not None:
                start = str(after["sk"])
                found = [k for k in found if (k.sk < start if newest_first else k.sk > start)]
            page = found[:limit]
            last = {"pk": pk, "sk": page[-1].sk} if len(found) >= limit and page else None
            return Page(tuple((key, dict(self.items[key])) for key in page), last)

    def query_index(
        self,
        table: Table,
        index: str,
        partition: str,
        *,
        limit: int,
        upto: int | None = None,
        after: Mapping[str, Scalar] | None = None,
        newest_first: bool = False,
    ) -> Page:
        partition_key, sort_key = INDEX_KEYS[index]
        with self._lock:
            places = []
            for key in self.items.partition(table, index, partition):
                item = self.items[key]
                sort = key.sk if sort_key == "sk" else item.get(sort_key)
                if item.get(partition_key) != partition or sort is None:
                    continue
                if upto is not None and (not isinstance(sort, int) or sort > upto):
                    continue
                places.append(((sort, key.pk, key.sk), key))
            places.sort(key=lambda place: place[0], reverse=newest_first)
            if after is not None:
                start = (after[sort_key], after["pk"], after["sk"])
                places = [p for p in places if (p[0] < start if newest_first else p[0] > start)]
            page = places[:limit]
            last: dict[str, Scalar] | None = None
            if page and len(places) >= limit:
                (sort, pk, sk), _ = page[-1]
                last = {"pk": pk, "sk": sk, partition_key: partition, sort_key: sort}
            names = {partition_key, sort_key} - {"sk"}
            found = [(key, {name: self.items[key][name] for name in names}) for _, key in page]
            return Page(tuple(found), last)

    def write(self, *changes: Change) -> None:
        with self._lock:
            keys = [change.key for change in changes]
            assert len(set(keys)) == len(keys), "a transaction takes each item once"
            assert len(changes) <= 100, "a transaction takes 100 items"
            refused = [i for i, change in enumerate(changes) if not self._holds(change)]
            if refused:
                found = {i: dict(self.items[keys[i]]) for i in refused if keys[i] in self.items}
                raise ConditionFailed(refused, found)
            for change in changes:
                self._make(change)

    def _holds(self, change: Change) -> bool:
        item = self.items.get(change.key)
        match change:
            case Put(rev=None) | Upsert():
                return True
            case Put(rev=0):
                return item is None
            case Put(rev=rev):
                return item is not None and item.get("rev") == rev
            case Delete(expect=expect) if not expect:
                return True
            case Add(number=number, below=below):
                return below is None or int((item or {}).get(number) or 0) < below
            case Update(expect=expect) | Delete(expect=expect) | Check(expect=expect):
                return item is not None and all(
                    item.get(name) == value
                    if value is None or isinstance(value, str | int)
                    else item.get(name) in value
                    for name, value in expect.items()
                )

    def _make(self, change: Change) -> None:
        match change:
            case Put(key=key, item=item, rev=rev):
                present = {name: value for name, value in item.items() if value is not None}
                self.items[key] = {**present, "rev": (rev or 0) + 1}
            case Update(key=key, set=values):
                self._set(key, values)
            case Upsert(key=key, set=values, initial=initial):
                have = self.items.get(key, {})
                fresh = {n: v for n, v in initial.items() if n not in have and v is not None}
                self._set(key, {**fresh, **values})
            case Add(key=key, number=number, by=by):
                have = self.items.setdefault(key, {})
                self._set(key, {number: int(have.get(number) or 0) + by})
            case Delete(key=key):
                self.items.pop(key, None)
            case Check():
                pass

    def _set(self, key: Key, values: Item) -> None:
        item = {**self.items.get(key, {}), **values}
        item["rev"] = int(item.get("rev") or 0) + 1
        self.items[key] = {name: value for name, value in item.items() if value is not None}


@dataclass
class MemoryQueue:
    """Messages sent, with the delay asked for, and messages hidden."""

    sent: list[tuple[Message, int]] = field(default_factory=list)
    hidden: list[tuple[str, int]] = field(default_factory=list)

    def send(self, message: Message, *, delay_seconds: int = 0) -> None:
        self.sent.append((message, delay_seconds))

    def hide(self, receipt: str, seconds: int) -> None:
        self.hidden.append((receipt, seconds))

    def take(self, *, upto_delay: int | None = None) -> list[Message]:
        """The messages sent so far, taken off the queue; with a bound, those delayed no longer."""
        due = [p for p in self.sent if upto_delay is None or p[1] <= upto_delay]
        self.sent = [p for p in self.sent if p not in due]
        return [message for message, _ in due]


@dataclass
class MemoryTokens:
    """Step Functions' side of task tokens: each takes one answer, those in `dead` none."""

    answers: dict[str, tuple[str, str]] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)

    def succeed(self, token: str, output: str) -> None:
        self._take(token, ("succeeded", output))

    def fail(self, token: str, error: str, cause: str) -> None:
        self._take(token, ("failed", f"{error}: {cause}"))

    def _take(self, token: str, answer: tuple[str, str]) -> None:
        if token in self.dead or token in self.answers:
            raise TokenGone
        self.answers[token] = answer


@dataclass
class MemoryMachines:
    """Machines by name, executions by machine and name."""

    definitions: dict[str, str] = field(default_factory=dict)
    executions: dict[tuple[str, str], Execution] = field(default_factory=dict)
    inputs: dict[tuple[str, str], str] = field(default_factory=dict)

    def arn_of(self, name: str) -> str:
        return f"arn:aws:states:us-east-1:123456789012:stateMachine:{name}"

    def create(self, name: str, definition: str) -> str:
        arn = self.arn_of(name)
        if self.definitions.setdefault(arn, definition) != definition:
            raise Refused("another machine has this name")
        return arn

    def delete(self, machine_arn: str) -> None:
        self.definitions.pop(machine_arn, None)

    def exists(self, machine_arn: str) -> bool:
        return machine_arn in self.definitions

    def start(self, machine_arn: str, name: str, execution_input: str) -> None:
        if machine_arn not in self.definitions:
            raise Refused("no such state machine")
        place = (machine_arn, name)
        if place not in self.executions:
            self.executions[place] = Execution("RUNNING")
            self.inputs[place] = execution_input

    def stop(self, machine_arn: str, name: str, error: str, cause: str) -> bool:
        place = (machine_arn, name)
        if place in self.executions and self.executions[place].status == "RUNNING":
            self.executions[place] = Execution("ABORTED", error=error, cause=cause)
        return place in self.executions

    def describe(self, machine_arn: str, name: str) -> Execution | None:
        return self.executions.get((machine_arn, name))


@dataclass
class MemoryTransport:
    """Takes what it is given and answers as it is told, by agent; accepted otherwise."""

    answers: dict[str, Delivered] = field(default_factory=dict)
    delivered: list[tuple[str, str]] = field(default_factory=list)
    shared: bool = True
    meanwhile: Callable[[Agent, Attempt], None] | None = None

    def deliver(self, agent: Agent, attempt: Attempt, timeout_seconds: float) -> Delivered:
        assert timeout_seconds > 0
        answer = self.answers.get(agent.agent_id, Delivered.ACCEPTED)
        if answer in (Delivered.ACCEPTED, Delivered.UNANSWERED):
            self.delivered.append((agent.agent_id, f"{attempt.attempt_id}.{attempt.fence}"))
            if self.meanwhile is not None:
                self.meanwhile(agent, attempt)
        return answer


@dataclass
class ManualClock:
    """Time that passes when told."""

    now: int = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += round(seconds * 1000)
