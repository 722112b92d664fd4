"""Templates with steps of every kind that must be accepted, and what running them comes to.

What they come to is worked out here, step by step, apart from the compiler's own way: which tasks
are asked, how often, and with what the session ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import strategies as st

MAX_DEPTH = 2


@dataclass
class Made:
    """A template, and its story: the ids of tasks in the order of no importance, and the result."""

    template: dict[str, Any]
    asked: list[str] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    result: Any = None


@dataclass(frozen=True)
class _Ran:
    """What a step comes to: the tasks asked, its result, and whether others may refer to it."""

    step: dict[str, Any]
    asked: tuple[str, ...]
    result: Any = None
    named: bool = True


class _Writer:
    """Draws steps; each has an id of its own."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._numbers: Iterator[int] = count()
        self.failing: set[str] = set()

    def block(self, known: tuple[str, ...], depth: int) -> tuple[list[_Ran], set[int]]:
        """Some steps, and the places in the list that a choice passes over."""
        steps: list[_Ran] = []
        passed: set[int] = set()
        for place in range(self._draw(st.integers(1, 3))):
            steps.append(self._step(known, depth))
            if steps[-1].named and place not in passed:
                known = (*known, steps[-1].step["taskId"])
        if len(steps) > 2 and self._draw(st.booleans()):
            steps, passed = self._with_choice(steps)
        return steps, passed

    def _with_choice(self, steps: list[_Ran]) -> tuple[list[_Ran], set[int]]:
        """A choice at the beginning that may pass over what nothing later refers to."""
        taken = self._draw(st.booleans())
        first = self._step((), MAX_DEPTH)
        target = steps[0].step["taskId"]
        rule = {"when": "{% $input.yes %}" if taken else "{% $input.no %}", "nextTaskId": target}
        choice = _Ran({"taskId": self._id(), "choice": [rule]}, (), named=False)
        return [choice, first, *steps], {1} if taken else set()

    def _id(self) -> str:
        return f"s{next(self._numbers)}"

    def _step(self, known: tuple[str, ...], depth: int) -> _Ran:
        kinds = ["task", "task", "approval", "wait", "set"]
        if depth < MAX_DEPTH:
            kinds += ["parallel", "map", "repeat"]
        kind = self._draw(st.sampled_from(kinds))
        make: dict[str, Callable[[tuple[str, ...], int], _Ran]] = {
            "task": self._task,
            "approval": self._approval,
            "wait": self._wait,
            "set": self._set,
            "parallel": self._parallel,
            "map": self._map,
            "repeat": self._repeat,
        }
        return make[kind](known, depth)

    def _task(self, known: tuple[str, ...], _: int) -> _Ran:
        step_id = self._id()
        step: dict[str, Any] = {"taskId": step_id, "agentCapability": "c"}
        refers = self._draw(st.booleans())
        if known and refers:
            step["parameters"] = {"of": f"{{% $tasks.{self._draw(st.sampled_from(known))} %}}"}
        if self._draw(st.integers(0, 3)) == 0:
            self.failing.add(step_id)
            step |= {
                "retry": {"maxRetries": 1, "interval": "1s"},
                "fallback": {"result": [step_id]},
            }
            return _Ran(step, (step_id, step_id), [step_id])
        return _Ran(step, (step_id,), {"by": step_id})

    def _approval(self, _known: tuple[str, ...], _: int) -> _Ran:
        step_id = self._id()
        return _Ran({"taskId": step_id, "approval": "Go on?"}, (step_id,), {"by": step_id})

    def _wait(self, _known: tuple[str, ...], _: int) -> _Ran:
        return _Ran({"taskId": self._id(), "wait": "5m"}, (), named=False)

    def _set(self, known: tuple[str, ...], _: int) -> _Ran:
        step_id = self._id()
        value = f"{{% $tasks.{known[-1]} %}}" if known else [1, None]
        return _Ran({"taskId": step_id, "set": {f"x_{step_id}": value}}, (), named=False)

    def _parallel(self, known: tuple[str, ...], depth: int) -> _Ran:
        branches = [self.block(known, depth + 1) for _ in range(self._draw(st.integers(1, 3)))]
        runs = [_run(steps, passed) for steps, passed in branches]
        step = {
            "taskId": self._id(),
            "parallel": [{"tasks": [ran.step for ran in steps]} for steps, _ in branches],
        }
        return _Ran(step, tuple(task for asked, _ in runs for task in asked), [r for _, r in runs])

    def _map(self, known: tuple[str, ...], depth: int) -> _Ran:
        items = self._draw(st.lists(st.sampled_from(["a", 1, None, {"k": [2]}]), max_size=3))
        steps, passed = self.block(known, depth + 1)
        asked, result = _run(steps, passed)
        inner: dict[str, Any] = {
            "items": self._draw(st.sampled_from([items, f"{{% $input.lists[{len(items)}] %}}"])),
            "tasks": [ran.step for ran in steps],
        }
        if self._draw(st.booleans()):
            inner["toleratedFailurePercentage"] = 30
        return _Ran({"taskId": self._id(), "map": inner}, asked * len(items), [result] * len(items))

    def _repeat(self, known: tuple[str, ...], depth: int) -> _Ran:
        rounds = self._draw(st.integers(1, 3))
        steps, passed = self.block(known, depth + 1)
        asked, result = _run(steps, passed)
        inner = {
            "tasks": [ran.step for ran in steps],
            "until": f"{{% $index >= {rounds - 1} %}}",
            "maxIterations": 3,
        }
        return _Ran({"taskId": self._id(), "repeat": inner}, asked * rounds, result)


def _run(steps: list[_Ran], passed: set[int]) -> tuple[tuple[str, ...], Any]:
    """The tasks that a list of steps asks, and its result."""
    taken = [ran for place, ran in enumerate(steps) if place not in passed]
    return tuple(task for ran in taken for task in ran.asked), taken[-1].result


@st.composite
def stories(draw: st.DrawFn) -> Made:
    """A template and what running it comes to."""
    writer = _Writer(draw)
    steps, passed = writer.block((), 0)
    asked, result = _run(steps, passed)
    template = {"id": "w", "name": "W", "tasks": [ran.step for ran in steps]}
    return Made(template, sorted(asked), writer.failing, result)


PAYLOAD = {"yes": True, "no": False, "lists": [[], ["a"], ["a", "b"], ["a", "b", "c"]]}
"""What the templates' expressions need of the input."""
