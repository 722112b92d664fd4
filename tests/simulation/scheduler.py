"""Virtual time, and workers that take turns at their calls.

A worker is a function of the deployment at work: code that knows nothing of this runs in it until
its next call, waits there as long as the call takes, and goes on. One runs at a time; which is next
is decided by the times alone, so that a seed gives the same run again.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from greenlet import getcurrent, greenlet

START = 1_800_000_000_000
"""When every run begins, in ms since the epoch."""

Action = Callable[[], object]


class Crash(BaseException):
    """The worker's process ended here."""


@dataclass
class Worker:
    """`ends_at`: when its function's time is over. A dead one comes to no further call."""

    name: str
    ends_at: int
    rng: Random
    dead: bool = False
    greenlet: greenlet = field(init=False)

    def die(self) -> Crash:
        self.dead = True
        return Crash(self.name)


class Scheduler:
    """Actions in the order of their times."""

    def __init__(self, seed: str) -> None:
        self.now = START
        self.workers: set[str] = set()
        self._seed = seed
        self._current: Worker | None = None
        self._actions: list[tuple[int, int, Action]] = []
        self._numbers = itertools.count()
        self._main = getcurrent()

    def at(self, when: float, action: Action) -> None:
        """Have something happen at a time (ms); in the past means now."""
        heapq.heappush(self._actions, (max(round(when), self.now), next(self._numbers), action))

    def after(self, seconds: float, action: Action) -> None:
        self.at(self.now + seconds * 1000, action)

    def step(self) -> None:
        """Do what is next, at its time."""
        when, _, action = heapq.heappop(self._actions)
        self.now = when
        action()

    @property
    def next_at(self) -> int:
        return self._actions[0][0]

    @property
    def worker(self) -> Worker | None:
        """Who is at work now."""
        return self._current

    def spawn(
        self, name: str, work: Action, seconds: float, then: Callable[[BaseException | None], None]
    ) -> None:
        """Begin something that may take so long. `then` gets what it raised, if it did."""
        name = f"{name} {next(self._numbers)}"
        worker = Worker(name, self.now + round(seconds * 1000), Random(f"{self._seed}/{name}"))

        def run() -> None:
            ended: BaseException | None = None
            try:
                work()
            except (Exception, Crash) as error:  # noqa: BLE001 (what a process ends with)
                ended = error
            self.workers.discard(name)
            self.at(self.now, lambda: then(ended))

        worker.greenlet = greenlet(run, parent=self._main)
        self.workers.add(name)
        self._run(worker)

    def pause(self, milliseconds: float) -> None:
        """The current worker's call takes so long. Raises Crash when its time is over by then."""
        worker = self._current
        assert worker is not None
        until = self.now + round(milliseconds)
        late = until >= worker.ends_at
        self.at(worker.ends_at if late else until, lambda: self._run(worker))
        self._main.switch()
        if late:
            raise worker.die()

    def _run(self, worker: Worker) -> None:
        before, self._current = self._current, worker
        worker.greenlet.switch()
        self._current = before
