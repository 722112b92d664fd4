"""What one dispatch costs however large the fleet and the waiting lists are: requests, counted, and
capacity units, computed from item sizes as DynamoDB bills them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opscore.lifecycle.turns import STEP_MS
from opscore.models.messages import TaskMessage, WakeMessage
from opscore.models.policy import PolicyKind, Subject
from opscore.models.task import AttemptStatus
from opscore.ports import Change, Item, Key, Page, Scalar, Table
from opscore.records import keys
from opscore.records.codec import encode
from opscore.services.policies import Wanted
from tests.support.fleet import Fleet
from tests.support.memory import MemoryStore, MemoryTokens

SIZES = (10, 1_000, 100_000)
READ_UNIT, WRITE_UNIT = 4096, 1024
REAL = 30
"""Tasks that wait at the start of a list in earnest; those behind them are entries alone."""


def size_of(key: Key, item: Mapping[str, Scalar]) -> int:
    """Bytes of an item: names and values; a number has a byte for two digits, and one more."""
    values: dict[str, Scalar] = {"pk": key.pk, "sk": key.sk, **item}
    return sum(len(name.encode()) + _size(value) for name, value in values.items())


def _size(value: Scalar) -> int:
    if isinstance(value, bool):
        return 1
    if isinstance(value, int):
        return len(str(abs(value))) // 2 + 2
    return len((value or "").encode())


@dataclass
class MeteredStore(MemoryStore):
    """The store's fake, with the requests that the real one makes and the units that they take."""

    requests: int = 0
    read: float = 0
    written: float = 0

    def __post_init__(self) -> None:
        super().__init__()

    def get(self, key: Key) -> Item | None:
        self.requests += 1
        item = super().get(key)
        self.read += _units(0 if item is None else size_of(key, item), READ_UNIT)
        return item

    def get_many(self, wanted: Sequence[Key]) -> dict[Key, Item]:
        self.requests += math.ceil(len(set(wanted)) / 100)
        found = super().get_many(wanted)
        for key in set(wanted):
            self.read += _units(size_of(key, found[key]) if key in found else 0, READ_UNIT)
        return found

    def query(self, table: Table, pk: str, **options: Any) -> Page:
        self.requests += 1
        page = super().query(table, pk, **options)
        self.read += _units(sum(size_of(key, item) for key, item in page.items), READ_UNIT)
        return page

    def write(self, *changes: Change) -> None:
        before = {change.key: self.items.get(change.key) for change in changes}
        before = {key: dict(item) for key, item in before.items() if item is not None}
        self.requests += 1
        super().write(*changes)
        times = 1 if len(changes) == 1 else 2
        for change in changes:
            old, new = before.get(change.key), self.items.get(change.key)
            largest = max(size_of(change.key, item) for item in (old or {}, new or {}))
            self.written += times * _units(largest, WRITE_UNIT) + _index_units(old, new)


def _units(size: int, unit: int) -> int:
    return max(math.ceil(size / unit), 1)


def _index_units(old: Item | None, new: Item | None) -> int:
    """An index holds keys alone: a unit to put one, one to take one away, none where it stays."""
    units = 0
    for names in keys.INDEX_KEYS.values():
        was, now = ([None if item is None else item.get(n) for n in names] for item in (old, new))
        units += 0 if was == now else (None not in was) + (None not in now)
    return units


@dataclass(frozen=True)
class Cost:
    """What an operation took: requests to AWS, and DynamoDB's units of reading and writing."""

    requests: int
    read: float
    written: float


@dataclass
class Deployment:
    """A fleet on a metered store."""

    store: MeteredStore = field(default_factory=MeteredStore)

    def __post_init__(self) -> None:
        self.fleet = Fleet(store=self.store, shards=4)

    def cost(self, what: Callable[[], object]) -> Cost:
        """What something takes."""
        store, queue, tokens = self.store, self.fleet.queue, self.fleet.tokens
        assert isinstance(tokens, MemoryTokens)
        queue.take()
        answered = len(tokens.answers)
        store.requests, store.read, store.written = 0, 0, 0
        what()
        sent = len(queue.sent) + len(tokens.answers) - answered
        return Cost(store.requests + sent, store.read, store.written)

    def agents(self, number: int) -> None:
        """Idle agents, written as they lie in their table; each has been idle a second longer than
        the next.
        """
        agent = self.fleet.agent("model", "other")
        for n in range(number):
            agent_id, since = f"agent-{n:06d}", self.fleet.clock() - (number - n) * 1000
            one = agent.replace(agent_id=agent_id, capabilities=("work",), idle_since=since)
            self.put(keys.agent(agent_id), encode(one) | {"rev": 1})
            self.put(keys.idle_entry("work", agent_id, since, 4), {"agentId": agent_id, "rev": 1})

    def waiting(self, number: int) -> None:
        """Tasks of one workflow that wait for an agent: the first in earnest, then entries."""
        for n in range(min(number, REAL)):
            self.fleet.dispatch(self.message(n))
        lists: dict[str, list[dict[str, Scalar]]] = {}
        for key, item in list(self.store.items.items()):
            if key.pk.startswith("waiting#"):
                lists.setdefault(str(item["listName"]), []).append(dict(item))
        for n in range(number - REAL):
            entries = lists[sorted(lists)[n % len(lists)]]
            last = dict(max(entries, key=lambda entry: str(entry["sort"])))
            turn = int(last["turn"] or 0) + STEP_MS
            rest = str(last["sort"]).split("#", 1)[1]
            lifted = int(str(last["sort"]).split("#", 1)[0]) + STEP_MS
            last |= {"turn": turn, "sort": f"{lifted:013d}#{rest}"}
            entries[:] = [last]
            self.put(keys.waiting_entry(str(last["listName"]), str(last["sort"])), last)
            self.put(keys.lane_entry(str(last["lane"]), str(last["sort"])), {"turn": turn})

    def message(self, number: int, workflow: str = "busy") -> TaskMessage:
        return self.fleet.message(
            f"{workflow}-{number}", workflow_id=workflow, task_id=f"step-{number}"
        )

    def put(self, key: Key, item: Mapping[str, Scalar]) -> None:
        self.store.items[key] = {n: value for n, value in item.items() if value is not None}


def dispatch(number: int) -> Cost:
    """A task comes, and agents are idle."""
    deployment = Deployment()
    deployment.agents(number)
    message = deployment.message(0)
    cost = deployment.cost(lambda: deployment.fleet.dispatch(message))
    assert len(deployment.fleet.transport.delivered) == 1
    return cost


def dispatch_under_policies(number: int) -> Cost:
    """The same, where the capability and the workflow have limits and rates."""
    deployment = Deployment()
    deployment.agents(number)
    for kind, name in ((PolicyKind.CAPABILITY, "work"), (PolicyKind.WORKFLOW, "busy")):
        limits = Wanted(8, 10.0, 10)
        deployment.fleet.policies.limit(Subject(kind, name), limits, None, None)
    message = deployment.message(0)
    cost = deployment.cost(lambda: deployment.fleet.dispatch(message))
    assert len(deployment.fleet.transport.delivered) == 1
    return cost


def complete(number: int) -> Cost:
    """An agent says that its task is done, and nothing waits."""
    deployment = Deployment()
    deployment.agents(number)
    deployment.fleet.dispatch(deployment.message(0))
    ((agent_id, reference),) = deployment.fleet.transport.delivered
    details = {"opscore_task_id": reference, "result": 1}
    deployment.fleet.says(agent_id, "active", details)
    return deployment.cost(lambda: deployment.fleet.says(agent_id, "idle", details))


def park(number: int) -> Cost:
    """A task comes, nobody is idle, and so many wait already."""
    deployment = Deployment()
    deployment.waiting(number)
    message = deployment.message(0, "late")
    cost = deployment.cost(lambda: deployment.fleet.dispatch(message))
    assert deployment.fleet.attempt(message).status is AttemptStatus.PARKED
    return cost


def hand_out(number: int) -> Cost:
    """An agent has become idle, and so many wait: what its wake-up takes."""
    deployment = Deployment()
    deployment.waiting(number)
    deployment.fleet.queue.take()
    deployment.fleet.agent("a")
    (wake,) = (m for m in deployment.fleet.queue.take() if isinstance(m, WakeMessage))
    cost = deployment.cost(lambda: deployment.fleet.dispatch(wake))
    assert len(deployment.fleet.transport.delivered) == 1
    return cost


def wait_in_vain(number: int) -> Cost:
    """A task has waited for too long among so many: what its end takes."""
    deployment = Deployment()
    deployment.waiting(number)
    attempt = deployment.fleet.attempt(deployment.message(0))
    deployment.fleet.clock.forward(601)
    return deployment.cost(
        lambda: deployment.fleet.dispatcher.deadline(attempt.attempt_id, attempt.fence)
    )


OPERATIONS: Mapping[str, tuple[str, Callable[[int], Cost]]] = {
    "dispatch, agents idle": ("agents", dispatch),
    "the same under two limits and two rates": ("agents", dispatch_under_policies),
    "completion by a report": ("agents", complete),
    "parking": ("tasks waiting", park),
    "hand-out to an agent that became idle": ("tasks waiting", hand_out),
    "end of a wait in vain": ("tasks waiting", wait_in_vain),
}


def measured(sizes: Collection[int] = SIZES) -> Iterator[tuple[str, str, dict[int, Cost]]]:
    """Each operation with what grows, and its cost at each size."""
    for operation, (what, cost) in OPERATIONS.items():
        yield operation, what, {size: cost(size) for size in sizes}


def rows(costs: Iterable[tuple[str, str, Mapping[int, Cost]]]) -> str:
    """Costs as a table in Markdown."""
    lines = [
        "| Operation | With | Requests | Read units | Write units |",
        "|---|---|---|---|---|",
    ]
    for operation, what, of in costs:
        for size, cost in of.items():
            lines.append(
                f"| {operation} | {size:,} {what} | {cost.requests} | {cost.read:g} "
                f"| {cost.written:g} |"
            )
    return "\n".join(lines)


def table() -> str:
    """What is measured, in Markdown."""
    return rows(measured())
