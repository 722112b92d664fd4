"""Turns in a waiting list: none starves, however many of another wait."""

from __future__ import annotations

import bisect
import itertools
import random
from dataclasses import dataclass, field

import pytest

from opscore.lifecycle.turns import STEP_MS, Place, lifted, turn
from opscore.records.waiting import CONSIDERED, WaitingEntry
from opscore.services.parking import fair_order

SEEDS = range(12)


@dataclass
class List:
    """A waiting list with its lanes, as the store keeps them."""

    entries: list[tuple[str, WaitingEntry]] = field(default_factory=list)
    lanes: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    now: int = 1_800_000_000_000
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def come(self, workflow: str, priority: int = 5) -> str:
        first = [Place(e.priority, e.turn) for _, e in self.entries[:CONSIDERED]]
        lane = self.lanes.setdefault((workflow, priority), [])
        at = turn(self.now, priority, first, lane[-1] if lane else None)
        name = f"{next(self.numbers):08d}"
        sort = f"{lifted(Place(priority, at)):013d}#{self.now:013d}#{name}"
        entry = WaitingEntry(
            attempt_id=name, session_id="s", task_key="t", workflow_id=workflow, list_name="l",
            sort=sort, priority=priority, turn=at,
        )  # fmt: skip
        lane.append(at)
        bisect.insort(self.entries, (sort, entry), key=lambda pair: pair[0])
        return name

    def go(self) -> WaitingEntry:
        """Whose turn it is, taken out."""
        entry = fair_order([entry for _, entry in self.entries[:CONSIDERED]])[0]
        at = bisect.bisect_left(self.entries, entry.sort, key=lambda pair: pair[0])
        del self.entries[at]
        self.lanes[entry.workflow_id, entry.priority].remove(entry.turn)
        return entry


def gone_before(waiting: List, name: str, come: tuple[str, int] | None = None) -> list[str]:
    """The workflows of those that go before it; `come`: one more of these for each that goes."""
    before: list[str] = []
    while (entry := waiting.go()).attempt_id != name:
        before.append(entry.workflow_id)
        waiting.now += 1_000
        if come is not None:
            waiting.come(*come)
    return before


@pytest.mark.parametrize("minutes", [0, 1, 60, 10_000])
@pytest.mark.parametrize("many", [30, 1_000])
def test_one_that_comes_late_waits_no_longer_than_a_round(minutes: int, many: int) -> None:
    waiting = List()
    for _ in range(many):
        for workflow in ("busy", "busier"):
            waiting.come(workflow)
    waiting.now += minutes * STEP_MS

    assert len(gone_before(waiting, waiting.come("late"))) <= 4


@pytest.mark.parametrize("seed", SEEDS)
def test_workflows_that_wait_together_go_by_turns(seed: int) -> None:
    chance = random.Random(seed)
    waiting, names = List(), [f"w{n}" for n in range(chance.randrange(2, 8))]
    for name in chance.choices(names, k=200):
        waiting.come(name)
        waiting.now += chance.choice([0, 1_000, 90_000])
    last = {name: [e.turn for _, e in waiting.entries if e.workflow_id == name] for name in names}

    gone = [waiting.go().workflow_id for _ in range(len(names) * 5)]

    for name in names:
        assert gone.count(name) >= min(3, len(last[name]))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_higher_priority_goes_first_and_age_lifts_a_lower_one(seed: int) -> None:
    chance = random.Random(seed)
    waiting = List()
    for _ in range(chance.randrange(200)):
        waiting.come("busy", 5)
    waiting.now += chance.randrange(4) * STEP_MS
    urgent = waiting.come("urgent", 9)
    assert gone_before(waiting, urgent) == []

    humble = waiting.come("humble", 0)
    before = gone_before(waiting, humble, come=("busy", 9))

    assert len(before) <= 9 * STEP_MS // 1_000 + 30


def test_a_lower_priority_does_not_go_first_for_having_nobody_before_it() -> None:
    waiting = List()
    for _ in range(500):
        waiting.come("busy", 5)
    for _ in range(100):
        waiting.go()
    humble = waiting.come("humble", 1)

    assert len(gone_before(waiting, humble)) >= 3


def test_of_one_workflow_and_priority_those_that_came_first_go_first() -> None:
    waiting = List()
    names = [waiting.come("w") for _ in range(100)]

    assert [waiting.go().attempt_id for _ in names] == names
