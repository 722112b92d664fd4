"""Whatever goes wrong, the invariants of the task protocol hold: see `scenario` for what does."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from tests.simulation.__main__ import report
from tests.simulation.run import run
from tests.simulation.scenario import Fault, Scenario

SEEDS = 240
GROUP = 10
"""Seeds of one test: enough of them that two processes have equal shares."""


def trace_of(scenario: Scenario) -> str:
    lines: list[str] = []
    run(scenario, say=lines.append)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("first", range(0, SEEDS, GROUP))
def test_the_invariants_hold(first: int) -> None:
    results = [run(Scenario.of(seed)) for seed in range(first, first + GROUP)]

    failed = [result for result in results if result.broken]
    assert not failed, "\n\n".join(map(report, failed))


def test_every_kind_of_fault_is_among_the_seeds() -> None:
    scenarios = [Scenario.of(seed) for seed in range(SEEDS)]

    assert set(Fault) == set[Fault]().union(*(scenario.faults for scenario in scenarios))
    assert any(not scenario.faults for scenario in scenarios)


def test_a_seed_gives_the_same_run_in_every_process() -> None:
    code = "from tests.simulation.test_seeds import *; print(trace_of(Scenario.of(3)))"

    def digest(hash_seed: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert digest(1) == digest(2) == trace_of(Scenario.of(3))


@pytest.mark.parametrize("seed", range(0, SEEDS, 40))
def test_a_scenario_says_how_to_repeat_it(seed: int) -> None:
    scenario = Scenario.of(seed)

    assert Scenario.parse(str(scenario)) == scenario
