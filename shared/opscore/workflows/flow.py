"""The ways through a workflow: what is reached, whether it ends, what is known on arrival."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from opscore.workflows.language import FixedResult, OtherRoute, OtherTask, Task, Workflow


@dataclass(frozen=True, slots=True)
class Edge:
    """One way on from a task. `target` None is the end; a failed task leaves no result."""

    target: str | None
    failed: bool


def edges(task: Task) -> Iterator[Edge]:
    """Every way on from a task."""
    yield Edge(task.next_task, failed=False)
    match task.fallback:
        case OtherTask(task_id):
            yield Edge(task_id, failed=True)
        case OtherRoute() | FixedResult() | None:
            pass


class Flow:
    """What holds at each task, on every way that leads to it.

    Results are bits of an integer, so that the work for a task hardly grows with their number.
    """

    def __init__(self, workflow: Workflow) -> None:
        self._tasks = {task.id: task for task in workflow.tasks}
        self._bits = {task_id: 1 << n for n, task_id in enumerate(self._tasks)}
        self._error_bit = 1 << len(self._bits)
        self._known = self._solve(workflow.tasks[0].id) if workflow.tasks else {}

    def reached(self, task_id: str) -> bool:
        """Whether any way leads to the task."""
        return task_id in self._known

    def has_result(self, at: str, of: str) -> bool:
        """Whether the result of one task has been made whenever another one starts."""
        return bool(self._known[at] & self._bits[of])

    def has_error(self, at: str) -> bool:
        """Whether a failure has been caught whenever the task starts."""
        return bool(self._known[at] & self._error_bit)

    def trapped(self) -> list[str]:
        """The tasks that are reached and from which no way leads to the end, in their order."""
        before: dict[str | None, list[str]] = {}
        for task_id in self._known:
            for edge in edges(self._tasks[task_id]):
                before.setdefault(edge.target, []).append(task_id)
        free: set[str | None] = {None, *(t for t in before if t not in self._tasks)}
        waiting = deque(free)
        while waiting:
            for task_id in before.get(waiting.popleft(), ()):
                if task_id not in free:
                    free.add(task_id)
                    waiting.append(task_id)
        return [
            task_id for task_id in self._tasks if task_id in self._known and task_id not in free
        ]

    def _solve(self, start: str) -> dict[str, int]:
        known = {start: 0}
        waiting = deque([start])
        while waiting:
            task = self._tasks[waiting.popleft()]
            for edge in edges(task):
                if edge.target is None or edge.target not in self._tasks:
                    continue
                made = self._error_bit if edge.failed else self._bits[task.id]
                arriving = known[task.id] | made
                before = known.get(edge.target)
                after = arriving if before is None else before & arriving
                if after != before:
                    known[edge.target] = after
                    waiting.append(edge.target)
        return known


def longest_way(workflow: Workflow, weight: Callable[[Task], int]) -> int | None:
    """The greatest sum of weights on one way through, or None if a loop makes it endless."""
    tasks = {task.id: task for task in workflow.tasks}
    targets = {
        task_id: {edge.target for edge in edges(task) if edge.target in tasks}
        for task_id, task in tasks.items()
    }
    open_ways = Counter(target for found in targets.values() for target in found)
    longest: dict[str, int] = {}
    waiting = [task_id for task_id in tasks if not open_ways[task_id]]
    done = 0
    while waiting:
        task_id = waiting.pop()
        done += 1
        so_far = longest.get(task_id, 0) + weight(tasks[task_id])
        longest[task_id] = so_far
        for target in targets[task_id]:
            longest[target] = max(longest.get(target, 0), so_far)
            open_ways[target] -= 1
            if not open_ways[target]:
                waiting.append(target)
    return max(longest.values()) if done == len(tasks) else None
