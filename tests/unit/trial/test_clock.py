from __future__ import annotations

import pytest

from opscore_trial.clock import Clock, NothingHappensError


def test_time_passes_only_while_everybody_waits() -> None:
    clock = Clock()
    seen: list[tuple[str, float]] = []

    def walk(name: str, *steps: float) -> None:
        for step in steps:
            clock.sleep(step)
            seen.append((name, clock.seconds))

    clock.begin(lambda: walk("slow", 86_400))
    clock.begin(lambda: walk("quick", 1, 1))
    clock.run_until(lambda: len(seen) == 3)

    assert seen == [("quick", 1), ("quick", 2), ("slow", 86_400)]


def test_an_event_wakes_all_who_wait_for_it() -> None:
    clock = Clock()
    event = clock.event()
    woken: list[tuple[str, bool]] = []

    clock.begin(lambda: woken.append(("patient", event.wait())))
    clock.begin(lambda: woken.append(("hasty", event.wait(5))))
    clock.begin(lambda: woken.append(("patient too", event.wait(60))))
    clock.at(10, event.set)
    clock.run_until(lambda: len(woken) == 3)

    assert woken == [("hasty", False), ("patient", True), ("patient too", True)]
    assert event.wait(0)


def test_a_time_limit_that_was_not_needed_takes_no_time() -> None:
    clock = Clock()
    event = clock.event()
    done: list[float] = []

    def wait_twice() -> None:
        event.wait(1_000)
        clock.sleep(5)
        done.append(clock.seconds)

    clock.begin(wait_twice)
    clock.at(1, event.set)
    clock.run_until(lambda: bool(done))

    assert done == [6]


def test_a_thread_can_be_waited_for() -> None:
    clock = Clock()
    seen: list[object] = []

    def main() -> None:
        thread = clock.thread(target=clock.sleep, args=(10,), daemon=True)
        thread.start()
        thread.join(timeout=3)
        seen.append((clock.seconds, thread.is_alive()))
        thread.join()
        seen.append((clock.seconds, thread.is_alive()))

    clock.begin(main)
    clock.run_until(lambda: len(seen) == 2)

    assert seen == [(3, True), (10, False)]


def test_it_says_when_nothing_can_happen_any_more() -> None:
    clock = Clock()
    clock.begin(clock.event().wait)

    with pytest.raises(NothingHappensError):
        clock.run_until(lambda: False)


def test_what_a_thread_raises_ends_the_run() -> None:
    clock = Clock()
    clock.begin([].pop)

    with pytest.raises(IndexError):
        clock.run_until(lambda: False)
