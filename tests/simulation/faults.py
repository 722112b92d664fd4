"""Calls that take time, fail, die, and succeed unseen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from opscore.errors import DependencyFailed
from opscore.models.messages import Message
from opscore.ports import (
    Change,
    ConditionFailed,
    Execution,
    Item,
    Key,
    Machines,
    Page,
    Put,
    Queue,
    Scalar,
    Store,
    Table,
    Tokens,
)
from tests.simulation.scenario import Fault
from tests.simulation.scheduler import Scheduler, Worker

T = TypeVar("T")

RATES = {Fault.CRASHES: 0.006, Fault.THROTTLING: 0.01, Fault.UNSEEN: 0.01, Fault.SLOWNESS: 0.006}
STALE_RATE = 0.2


@dataclass
class Calls:
    """Where every call of a worker passes. `last_fault`: when the last one was not as it should
    be (ms); `on`: whether they are to go wrong at all.
    """

    scheduler: Scheduler
    faults: frozenset[Fault]
    slow_share: float
    trace: Callable[[str], None]
    made: int = 0
    last_fault: int = 0
    on: bool = True
    struck: dict[str, int] = field(default_factory=dict)

    def strike(self) -> None:
        """Something has gone wrong now, of which the services need not see all that it means."""
        self.last_fault = self.scheduler.now

    def has(self, fault: Fault) -> bool:
        return self.on and fault in self.faults

    def __call__(
        self, name: str, call: Callable[[], T], repeat: Callable[[], T] | None = None
    ) -> T:
        """What the call returns, if it does. `repeat`: makes it once more, as SDKs do when no
        answer came.
        """
        worker = self.scheduler.worker
        if worker is None:
            return call()
        if worker.dead:
            raise worker.die()
        self.made += 1
        self._takes(worker)
        fault = self._fault(worker)
        self.trace(f"{worker.name}: {name}{f' ({fault})' if fault else ''}")
        if fault is None:
            return call()
        self.struck[fault] = self.struck.get(fault, 0) + 1
        self.strike()
        return self._strike(fault, worker, call, repeat)

    def _takes(self, worker: Worker) -> None:
        """Some milliseconds; now and then enough for others to do much in between."""
        slow = worker.rng.random() < self.slow_share
        self.scheduler.pause(worker.rng.expovariate(1 / (400 if slow else 8)))

    def _fault(self, worker: Worker) -> Fault | None:
        if not self.on:
            return None
        for fault, rate in RATES.items():
            if fault in self.faults and worker.rng.random() < rate:
                return fault
        return None

    def _strike(
        self,
        fault: Fault,
        worker: Worker,
        call: Callable[[], T],
        repeat: Callable[[], T] | None,
    ) -> T:
        match fault:
            case Fault.CRASHES:
                if worker.rng.random() < 0.7:
                    call()
                raise worker.die()
            case Fault.THROTTLING:
                raise DependencyFailed("throttled")
            case Fault.UNSEEN:
                call()
                if repeat is not None and worker.rng.random() < 0.5:
                    self.scheduler.pause(worker.rng.expovariate(1 / 50))
                    return repeat()
                raise DependencyFailed("no answer")
            case _:
                self.scheduler.pause(worker.rng.choice((500, 3_000, 12_000, 80_000)))
                self.strike()
                return call()


class FaultyStore:
    """A store whose calls are seen and go wrong; what it promises of them, it keeps."""

    def __init__(self, store: Store, calls: Calls) -> None:
        self._store = store
        self._calls = calls

    def get(self, key: Key) -> Item | None:
        return self._calls(f"get {key.pk}", lambda: self._store.get(key))

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Item]:
        # Each is read consistently, not all at one moment: sometimes time passes in between.
        worker = self._calls.scheduler.worker
        name = f"get {', '.join(key.pk for key in keys)}"
        if worker is None or len(keys) < 2 or worker.rng.random() < 0.5:
            return self._calls(name, lambda: self._store.get_many(keys))
        some = set(worker.rng.sample(range(len(keys)), worker.rng.randint(1, len(keys) - 1)))
        first = [key for number, key in enumerate(keys) if number in some]
        later = [key for number, key in enumerate(keys) if number not in some]
        found = self._calls(name, lambda: self._store.get_many(first))
        return found | self._calls(name, lambda: self._store.get_many(later))

    def query(self, table: Table, pk: str, **more: Any) -> Page:
        return self._calls(f"query {pk}", lambda: self._store.query(table, pk, **more))

    def query_index(self, table: Table, index: str, partition: str, **more: Any) -> Page:
        page = self._calls(
            f"query {index} {partition}",
            lambda: self._store.query_index(table, index, partition, **more),
        )
        worker = self._calls.scheduler.worker
        if worker is None or not self._calls.has(Fault.STALE):
            return page
        seen = tuple(item for item in page.items if worker.rng.random() > STALE_RATE)
        if seen != page.items:
            self._calls.strike()
        return Page(seen, page.after)

    def write(self, *changes: Change) -> None:
        def repeat() -> None:
            # A transaction repeated by the SDK has the same request token: it is one.
            if len(changes) > 1:
                return
            try:
                self._store.write(*changes)
            except ConditionFailed as refused:
                if not (isinstance(changes[0], Put) and _own(changes[0], refused.found.get(0))):
                    raise

        name = ", ".join(f"{type(change).__name__.lower()} {change.key.pk}" for change in changes)
        self._calls(name, lambda: self._store.write(*changes), repeat)


def _own(put: Put, stood: Mapping[str, Scalar] | None) -> bool:
    """Whether what stands there is what was just written, as the adapter tells it."""
    present = {name: value for name, value in put.item.items() if value is not None}
    return stood == {**present, "rev": (put.rev or 0) + 1}


class FaultyQueue:
    """The task queue, seen from the services."""

    def __init__(self, queue: Queue, calls: Calls) -> None:
        self._queue = queue
        self._calls = calls

    def send(self, message: Message, *, delay_seconds: int = 0) -> None:
        def send() -> None:
            self._queue.send(message, delay_seconds=delay_seconds)

        self._calls(f"send {message.kind}", send, send)

    def hide(self, receipt: str, seconds: int) -> None:
        def hide() -> None:
            self._queue.hide(receipt, seconds)

        self._calls(f"hide for {seconds} s", hide, hide)


class FaultyTokens:
    """Task tokens, seen from the services."""

    def __init__(self, tokens: Tokens, calls: Calls) -> None:
        self._tokens = tokens
        self._calls = calls

    def succeed(self, token: str, output: str) -> None:
        def succeed() -> None:
            self._tokens.succeed(token, output)

        self._calls(f"succeed {token}", succeed, succeed)

    def fail(self, token: str, error: str, cause: str) -> None:
        def fail() -> None:
            self._tokens.fail(token, error, cause)

        self._calls(f"fail {token} {error}", fail, fail)


class FaultyMachines:
    """State machines and executions, seen from the services."""

    def __init__(self, machines: Machines, calls: Calls) -> None:
        self._machines = machines
        self._calls = calls

    def arn_of(self, name: str) -> str:
        return self._machines.arn_of(name)

    def create(self, name: str, definition: str) -> str:
        return self._calls("create machine", lambda: self._machines.create(name, definition))

    def delete(self, machine_arn: str) -> None:
        self._calls("delete machine", lambda: self._machines.delete(machine_arn))

    def exists(self, machine_arn: str) -> bool:
        return self._calls("describe machine", lambda: self._machines.exists(machine_arn))

    def start(self, machine_arn: str, name: str, execution_input: str) -> None:
        def start() -> None:
            self._machines.start(machine_arn, name, execution_input)

        self._calls(f"start {name}", start, start)

    def stop(self, machine_arn: str, name: str, error: str, cause: str) -> bool:
        def stop() -> bool:
            return self._machines.stop(machine_arn, name, error, cause)

        return self._calls(f"stop {name}", stop, stop)

    def describe(self, machine_arn: str, name: str) -> Execution | None:
        return self._calls(f"describe {name}", lambda: self._machines.describe(machine_arn, name))
