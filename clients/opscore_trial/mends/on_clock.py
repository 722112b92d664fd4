"""moto's interpreter on a clock that skips time, instead of threads that sleep.

On AWS states wait as long as they say, retries too, and a silent task takes its whole timeout.
"""

# ruff: noqa: SLF001  (a mend reaches into what it mends)
from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from jsonata.timebox import Timebox
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.retry import (
    jitter_strategy_decl,
    retrier_decl,
)
from moto.stepfunctions.parser.asl.component.program import program
from moto.stepfunctions.parser.asl.component.state import state
from moto.stepfunctions.parser.asl.component.state.exec import execute_state
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import (
    inline_iteration_component,
    job,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import (
    branch_worker,
    branches_decl,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.timestamp import Timestamp
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import (
    WaitFunction,
)
from moto.stepfunctions.parser.asl.eval import environment
from moto.stepfunctions.parser.asl.eval.callback import callback
from moto.stepfunctions.parser.backend import execution_worker

from opscore_trial.clock import Clock
from opscore_trial.patching import Mend, Patches

_WITH_THREADING = (
    program,
    execute_state,
    inline_iteration_component,
    job,
    branch_worker,
    branches_decl,
    environment,
)


def on_clock(clock: Clock, began: datetime) -> Mend:
    """A mend that has the interpreter live on this clock, which stood at zero at that moment."""

    def mend(patches: Patches) -> None:
        _threads(patches, clock)
        _waits(patches, clock, began)
        _dates(patches, clock, began)
        # Jitter only decides which of two branches goes on first: the same one each time.
        patches.set(jitter_strategy_decl, "random", random.Random(0))  # noqa: S311  # no secret

    return mend


def _threads(patches: Patches, clock: Clock) -> None:
    ours = SimpleNamespace(
        Thread=clock.thread, Event=clock.event, Lock=threading.Lock, RLock=threading.RLock
    )
    for module in _WITH_THREADING:
        patches.set(module, "threading", ours)
    patches.set(execute_state, "Thread", clock.thread)
    patches.set(execution_worker, "Thread", clock.thread)
    patches.set(callback, "Event", clock.event)


def _waits(patches: Patches, clock: Clock, began: datetime) -> None:
    def wait_interval(_self: Any, env: Any, wait_seconds: float) -> None:
        until = clock.seconds + wait_seconds
        while env.is_running() and clock.seconds < until:
            env.program_state_event.wait(until - clock.seconds)

    def seconds_to(self: Any, env: Any) -> float:
        self.string.eval(env=env)
        text = env.stack.pop()
        if Timestamp._from_timestamp_string(timestamp=text) is None:
            raise FailureEventException(self._create_failure_event(env, text))
        return (datetime.fromisoformat(text) - _now(clock, began)).total_seconds()

    patches.set(retrier_decl, "time", SimpleNamespace(sleep=clock.sleep))
    patches.set(WaitFunction, "_wait_interval", wait_interval)
    patches.set(Timestamp, "_get_wait_seconds", seconds_to)


def _dates(patches: Patches, clock: Clock, began: datetime) -> None:
    def now(tz: Any = None) -> datetime:
        return _now(clock, began).astimezone(tz)

    def milliseconds() -> int:
        return int(_now(clock, began).timestamp() * 1000)

    dates = SimpleNamespace(datetime=SimpleNamespace(now=now), timezone=SimpleNamespace(utc=UTC))
    patches.set(state, "datetime", dates)
    patches.set(Timebox, "current_milli_time", staticmethod(milliseconds))


def _now(clock: Clock, began: datetime) -> datetime:
    return began + timedelta(seconds=clock.seconds)
