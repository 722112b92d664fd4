"""Runs a scenario, the same way each time; and finds the smallest that still goes wrong."""

from __future__ import annotations

import logging
import random
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from opscore.observability import logger
from opscore.ports import Store
from tests.simulation.scenario import Scenario
from tests.simulation.scheduler import START
from tests.simulation.world import World

TRACED = 40
"""Lines of a trace that are shown of a run that failed."""


@dataclass(frozen=True)
class Result:
    """What came of a run. `broken`: what was found wrong, first to last."""

    scenario: Scenario
    broken: tuple[str, ...]
    trace: tuple[str, ...]
    calls: int
    attempts: int
    faults: int

    @property
    def kind(self) -> str | None:
        """The first invariant that did not hold."""
        return self.broken[0].split(":", 1)[0] if self.broken else None

    def __str__(self) -> str:
        what = "\n".join(self.broken) or "all is well"
        return f"seed {self.scenario}: {what}"


T = TypeVar("T")
MakeWorld = Callable[..., World]


def run(
    scenario: Scenario,
    world: MakeWorld = World,
    *,
    store: Store | None = None,
    say: Callable[[str], None] | None = None,
) -> Result:
    """Run a scenario to its end, or to the first thing wrong. `say` gets each line of the trace."""
    lines: deque[str] = deque(maxlen=TRACED)
    made: list[World] = []

    def trace(line: str) -> None:
        line = f"{(made[0].clock() - START) / 1000:10.3f} {line}" if made else line
        lines.append(line)
        if say is not None:
            say(line)

    with _repeatable(scenario), _errors_seen(lambda: made[0]):
        made.append(world(scenario, store, trace))
        broken = made[0].run()
    calls = made[0].calls
    return Result(
        scenario=scenario,
        broken=tuple(broken),
        trace=tuple(lines),
        calls=calls.made,
        attempts=len(made[0].step_functions.tokens),
        faults=sum(calls.struck.values()),
    )


def run_seed(seed: int, size: str) -> Result:
    """Run what a seed stands for."""
    return run(Scenario.of(seed, size))


@contextmanager
def _repeatable(scenario: Scenario) -> Iterator[None]:
    """Chance and new ids that come out of the seed."""
    ids, state, make = Random(f"{scenario.seed}/ids"), random.getstate(), uuid.uuid4
    random.seed(scenario.seed)
    uuid.uuid4 = lambda: uuid.UUID(int=ids.getrandbits(128), version=4)
    try:
        yield
    finally:
        uuid.uuid4 = make
        random.setstate(state)


@contextmanager
def _errors_seen(world: Callable[[], World]) -> Iterator[None]:
    """What is logged as an error is one: nobody foresaw it. The rest of the log is dropped."""

    class Seen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            way = "".join(getattr(record, "way", ()))
            error = RuntimeError(f"{record.getMessage()}: {getattr(record, 'error', '')}\n{way}")
            world().invariants.unforeseen("a function", error)

    log = logger()._logger
    handlers, level = log.handlers[:], log.level
    log.handlers[:] = [Seen(level=logging.ERROR)]
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.handlers[:] = handlers
        log.setLevel(level)


def shrunk(failed: Result, world: MakeWorld = World, runs: int = 120) -> Result:
    """The smallest scenario found that breaks the same invariant: agents, sessions and kinds of
    fault are left out, as long as it still does. At most so many runs.
    """
    best = failed
    tried = {str(failed.scenario)}
    smaller = True
    while smaller:
        smaller = False
        for scenario in _smaller(best.scenario):
            if len(tried) >= runs or str(scenario) in tried:
                continue
            tried.add(str(scenario))
            result = run(scenario, world)
            if result.kind == failed.kind:
                best, smaller = result, True
                break
    return best


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Scenarios with less in them, those with much less first."""
    for sessions in _parts(scenario.sessions):
        yield replace(scenario, sessions=sessions)
    for agents in _parts(scenario.agents):
        yield replace(scenario, agents=agents)
    for faults in _parts(tuple(sorted(scenario.faults))):
        yield replace(scenario, faults=frozenset(faults))


def _parts(whole: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    """The whole without its one half or the other, without a quarter, … without a single one."""
    size = len(whole) // 2
    while size:
        for start in range(0, len(whole), size):
            yield whole[:start] + whole[start + size :]
        size //= 2
