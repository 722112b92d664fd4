"""Each invariant finds a bug that is planted for it, and says so with little around it."""

from __future__ import annotations

import pytest

from tests.simulation.planted import PLANTED, IgnoresDeadlines, Plant
from tests.simulation.run import Result, run, shrunk
from tests.simulation.scenario import Scenario

ENOUGH = 200
"""Seeds among which a bug shows; most do in the first few."""


def found(plant: Plant) -> Result:
    """The first run in which the bug's invariant did not hold."""
    for seed in range(ENOUGH):
        result = run(plant.scenario(seed), plant.world)
        if result.broken:
            return result
    raise AssertionError(f"{ENOUGH} seeds, and nobody noticed")


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.world.__name__)
def test_a_planted_bug_is_found(plant: Plant) -> None:
    assert found(plant).kind in plant.invariants


def test_a_failure_shrinks_and_repeats() -> None:
    (plant,) = (plant for plant in PLANTED if plant.world is IgnoresDeadlines)
    failed = found(plant)
    smallest = shrunk(failed, IgnoresDeadlines)

    assert smallest.kind == failed.kind
    assert len(smallest.scenario.sessions) <= 2
    assert len(smallest.scenario.agents) <= 2
    again = run(Scenario.parse(str(smallest.scenario)), IgnoresDeadlines)
    assert (again.broken, again.trace) == (smallest.broken, smallest.trace)
