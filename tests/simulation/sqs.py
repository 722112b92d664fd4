"""The task queue and its dead letters as SQS keeps them: at least once, in any order, late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from opscore.aws.sqs import MAX_DELAY_SECONDS
from opscore.models.messages import Message, messages
from tests.simulation.faults import Calls
from tests.simulation.scenario import Fault
from tests.simulation.scheduler import Scheduler

BATCH = 5
VISIBILITY_SECONDS = 360
DEAD_LETTER_VISIBILITY_SECONDS = 180
MAX_RECEIVES = 6
MAX_CONCURRENCY = 10
"""As in template.yaml."""


@dataclass
class Held:
    """A message in the queue; `copy` tells the one delivered twice from its original."""

    message_id: str
    body: str
    sent_at: int
    visible_at: int
    copy: int = 0
    receives: int = 0

    @property
    def receipt(self) -> str:
        return f"{self.message_id}/{self.copy}"

    @property
    def message(self) -> Message:
        return messages.validate_json(self.body)


class SimulatedQueue:
    """Messages by receipt. `deliver` is called with each batch, as an event source does."""

    def __init__(
        self,
        scheduler: Scheduler,
        calls: Calls,
        rng: Random,
        deliver: Callable[[list[Held]], None],
        bury: Callable[[Held], None],
    ) -> None:
        self.held: dict[str, Held] = {}
        self.busy = 0
        self._scheduler = scheduler
        self._calls = calls
        self._rng = rng
        self._deliver = deliver
        self._bury = bury
        self._sent = 0

    def send(self, message: Message, *, delay_seconds: int = 0) -> None:
        delay = min(max(delay_seconds, 0), MAX_DELAY_SECONDS)
        self.put(message.model_dump_json(by_alias=True, exclude_none=True), delay)

    def put(self, body: str, delay_seconds: float = 0) -> None:
        """Take a message in; it may come late, and another time later."""
        self._sent += 1
        late = 0.0
        if self._calls.has(Fault.LATE) and self._rng.random() < 0.2:
            late = self._rng.expovariate(1 / 15)
        now = self._scheduler.now
        visible = now + round((delay_seconds + late + self._rng.expovariate(20)) * 1000)
        self._keep(Held(f"m{self._sent}", body, now, visible))
        if self._calls.has(Fault.TWICE) and self._rng.random() < 0.15:
            again = visible + round(self._rng.expovariate(1 / 20) * 1000)
            self._keep(Held(f"m{self._sent}", body, now, again, copy=1))

    def hide(self, receipt: str, seconds: int) -> None:
        held = self.held.get(receipt)
        if held is not None:
            held.visible_at = self._scheduler.now + seconds * 1000
            self._scheduler.at(held.visible_at, self.poll)

    def done(self, held: Held) -> None:
        self.held.pop(held.receipt, None)

    def waiting(self) -> Iterator[Message]:
        """What is in the queue, seen or not."""
        return (held.message for held in self.held.values())

    def _keep(self, held: Held) -> None:
        self.held[held.receipt] = held
        self._scheduler.at(held.visible_at, self.poll)

    def poll(self) -> None:
        """Deliver what is visible, as far as there are workers for it."""
        while self.busy < MAX_CONCURRENCY:
            now = self._scheduler.now
            visible = [held for held in self.held.values() if held.visible_at <= now]
            if not visible:
                return
            batch = self._rng.sample(visible, min(len(visible), self._rng.randint(1, BATCH)))
            for held in batch:
                held.receives += 1
                held.visible_at = now + VISIBILITY_SECONDS * 1000
                self._scheduler.at(held.visible_at, self.poll)
            for held in [held for held in batch if held.receives > MAX_RECEIVES]:
                batch.remove(held)
                self.done(held)
                self._bury(held)
            if batch:
                self.busy += 1
                self._deliver(batch)

    def freed(self) -> None:
        """A worker has ended."""
        self.busy -= 1
        self.poll()
