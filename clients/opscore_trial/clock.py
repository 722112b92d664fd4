"""Time that passes only while everybody waits: a day's wait takes no longer than a second's.

Threads on this clock run one at a time, in the order in which they became ready, so that the same
run takes the same course each time. When none can go on, the clock jumps to the next moment at
which one can.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from greenlet import getcurrent, greenlet


class NothingHappensError(RuntimeError):
    """Everybody waits for somebody else."""


class _Turn:
    """A thread that waits; `woken` tells whether by someone rather than by the clock."""

    def __init__(self) -> None:
        self.thread = getcurrent()
        self.over = False
        self.woken = False


class Clock:
    """The present in seconds since the clock was made, and who goes on next."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._hub = getcurrent()
        self._ready: deque[greenlet] = deque()
        self._later: list[tuple[float, int, _Turn | Callable[[], None]]] = []
        self._number = count()

    def begin(self, call: Callable[[], Any]) -> None:
        """Have a new thread do this, as soon as it is its turn."""
        self._ready.append(greenlet(call, parent=self._hub))

    def at(self, seconds: float, call: Callable[[], None]) -> None:
        """Do this at that moment; it must not wait."""
        heapq.heappush(self._later, (seconds, next(self._number), call))

    def sleep(self, seconds: float) -> None:
        """Let this thread wait for so long."""
        self.pause(_Turn(), seconds)

    def pause(self, turn: _Turn, seconds: float | None) -> bool:
        """Wait until someone wakes this turn, or until the time is over; whether it was someone."""
        if seconds is not None:
            heapq.heappush(self._later, (self.seconds + seconds, next(self._number), turn))
        self._hub.switch()
        return turn.woken

    def wake(self, turns: Iterable[_Turn]) -> None:
        """Let these go on, in their order."""
        for turn in turns:
            if not turn.over:
                turn.over = turn.woken = True
                self._ready.append(turn.thread)

    def run_until(self, done: Callable[[], bool]) -> None:
        """Give everybody their turns until this holds. Raises NothingHappensError if it can't."""
        while not done():
            if self._ready:
                self._ready.popleft().switch()
            elif self._later:
                self._pass_time()
            else:
                raise NothingHappensError

    def _pass_time(self) -> None:
        seconds, _, what = heapq.heappop(self._later)
        if isinstance(what, _Turn) and what.over:
            return
        self.seconds = max(self.seconds, seconds)
        if isinstance(what, _Turn):
            what.over = True
            self._ready.append(what.thread)
        else:
            what()

    # What `threading` has, as far as the interpreter uses it.

    def event(self) -> Event:
        """An event on this clock."""
        return Event(self)

    def thread(
        self, target: Callable[..., Any], args: tuple[Any, ...] = (), **_named: Any
    ) -> Thread:
        """A thread on this clock."""
        return Thread(self, target, args)


class Event:
    """threading.Event on a clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._is_set = False
        self._waiting: list[_Turn] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        waiting, self._waiting = self._waiting, []
        self._clock.wake(waiting)

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        if self._is_set:
            return True
        turn = _Turn()
        self._waiting.append(turn)
        return self._clock.pause(turn, timeout)


class Thread:
    """threading.Thread on a clock."""

    native_id = 0

    def __init__(self, clock: Clock, target: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._clock = clock
        self._target = target
        self._args = args
        self._ended = clock.event()

    def start(self) -> None:
        self._clock.begin(self._run)

    def join(self, timeout: float | None = None) -> None:
        self._ended.wait(timeout)

    def is_alive(self) -> bool:
        return not self._ended.is_set()

    def _run(self) -> None:
        self._target(*self._args)
        self._ended.set()
