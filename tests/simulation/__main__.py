"""`python -m tests.simulation`: many seeds, or one with its trace.

python -m tests.simulation soak 1000 [first] [size]    the seeds, on all cores; exits 1 if one fails
python -m tests.simulation seed 7/agents=0,2/faults=late    one, line by line
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.simulation.run import Result, run, run_seed, shrunk
from tests.simulation.scenario import MIXED, Scenario

_EVERY_SECONDS = 5
"""How often the progress is said where it can't be shown on one line."""


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    match arguments:
        case ["seed", text]:
            return _one(Scenario.parse(text))
        case ["soak", count, *rest]:
            first = int(rest[0]) if rest else 0
            return _many(range(first, first + int(count)), rest[1] if len(rest) > 1 else MIXED)
        case _:
            print(__doc__)  # noqa: T201
            return 2


def _one(scenario: Scenario) -> int:
    result = run(scenario, say=print)
    print(result)  # noqa: T201
    return 1 if result.broken else 0


def _many(seeds: range, size: str) -> int:
    begun = time.monotonic()
    failed, attempts, calls, said = 0, 0, 0, begun
    with ProcessPoolExecutor() as pool:
        runs = [pool.submit(run_seed, seed, size) for seed in seeds]
        for number, done in enumerate(as_completed(runs), 1):
            result = done.result()
            attempts += result.attempts
            calls += result.calls
            if result.broken:
                failed += 1
                print(f"\r{report(result)}")  # noqa: T201
            if sys.stderr.isatty() or time.monotonic() - said > _EVERY_SECONDS:
                said = time.monotonic()
                end = "" if sys.stderr.isatty() else "\n"
                progress = f"{number} of {len(seeds)} seeds, {failed} failed, {attempts} attempts"
                print(f"\r{progress}", end=end, file=sys.stderr, flush=True)  # noqa: T201
    seconds = time.monotonic() - begun
    print(f"\n{attempts} attempts, {calls} calls, {seconds:.0f} s")  # noqa: T201
    print(f"{len(seeds)} seeds, {failed} failed")  # noqa: T201
    return 1 if failed else 0


def report(failed: Result) -> str:
    """A failure for people: the smallest scenario, what was wrong in it, how to repeat it."""
    smallest = shrunk(failed)
    scenario = smallest.scenario
    faults = ", ".join(scenario.faults) or "none"
    return "\n".join(
        [
            f"seed {failed.scenario} failed: {failed.broken[0]}",
            f"smallest: {len(scenario.agents)} agents, {len(scenario.sessions)} sessions",
            f"faults: {faults}",
            *smallest.broken,
            *(f"    {line}" for line in smallest.trace),
            f"repeat it: make soak SEED={scenario}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
