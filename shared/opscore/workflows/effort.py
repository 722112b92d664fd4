"""What a workflow makes Step Functions do, at least and at most: counted from the steps.

States entered and history events of each construct are those that executions showed; each retry is
billed like a state entered.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from opscore.workflows.flow import edges
from opscore.workflows.language import (
    Approval,
    Block,
    Child,
    Choice,
    Fail,
    FixedResult,
    Map,
    OtherRoute,
    Parallel,
    Repeat,
    RetryRule,
    SetVariables,
    Signal,
    Step,
    Succeed,
    Task,
    Wait,
    Workflow,
)
from opscore.workflows.steps import compensations, fallback_of

MAX_EVENTS = 25_000
"""Step Functions' limit on an execution's history."""

MAX_INLINE_EVENTS = 10_000
"""A map whose items may make more than this has executions of its own for them."""

ENDLESS = 10**100
"""What a loop without a bound comes to; far more than maps in maps of a million items each."""


@dataclass(frozen=True, slots=True)
class Effort:
    """States entered, retries (billed like them), events in the execution's own history, and the
    answers that are waited for.
    """

    states: int = 0
    retries: int = 0
    events: int = 0
    answers: int = 0

    @property
    def transitions(self) -> int:
        """What is billed."""
        return self.states + self.retries

    def __add__(self, other: Effort) -> Effort:
        return Effort(
            self.states + other.states,
            self.retries + other.retries,
            self.events + other.events,
            self.answers + other.answers,
        )

    def __mul__(self, times: int) -> Effort:
        return Effort(
            self.states * times, self.retries * times, self.events * times, self.answers * times
        )


@dataclass(frozen=True, slots=True)
class Range:
    """The least (nothing fails, the shortest way) and the most (everything does, the longest)."""

    least: Effort
    most: Effort


EXECUTION = Effort(0, 0, 2)
_STATE = Effort(1, 0, 2)
_ANSWERED = Effort(1, 0, 6, 1)
_RETRY = Effort(0, 1, 4, 1)
_ITEM = Effort(0, 0, 2)
_SPLIT = Effort(1, 0, 4)
_BRANCH = Effort(0, 0, 1)


def effort(workflow: Workflow) -> Range:
    """Of one session, its `onFailure` and compensations left out."""
    found = _block(workflow.tasks)
    return Range(EXECUTION + found.least, EXECUTION + found.most)


def cleanup_effort(workflow: Workflow) -> Effort:
    """The most that `onFailure` and compensations come to, in the execution after a session."""
    undone = (_step(undo).most + _STATE for undo in compensations(workflow).values())
    return EXECUTION + _block(workflow.on_failure).most + _sum(undone) + _STATE * 3


def has_executions_of_its_own(step: Map) -> bool:
    """Whether the map's items are too many for one history, and become executions of their own."""
    return _is_large(step, _block(step.body).most)


def _is_large(step: Map, body: Effort) -> bool:
    return (body + _ITEM).events * step.max_items > MAX_INLINE_EVENTS


def _block(block: Block) -> Range:
    weights = {step.id: _step(step) for step in block}
    least = _combined(lambda part: shortest(block, lambda step: part(weights[step.id].least)))
    most = _combined(lambda part: longest(block, lambda step: part(weights[step.id].most)))
    return Range(least, most)


def _combined(best: Callable[[Callable[[Effort], int]], int]) -> Effort:
    return Effort(
        best(lambda found: found.states),
        best(lambda found: found.retries),
        best(lambda found: found.events),
        best(lambda found: found.answers),
    )


def _step(step: Step) -> Range:
    match step:
        case Task():
            most = _ANSWERED + _RETRY * _retries(step.route.retry)
            match step.fallback:
                case OtherRoute(route):
                    most += _ANSWERED + _RETRY * _retries(route.retry)
                case _:
                    most += _last_result(step)
            return Range(_ANSWERED, most)
        case Approval() | Signal() | Child():
            most = _ANSWERED + _RETRY * _retries(step.retry) + _last_result(step)
            return Range(_ANSWERED, most)
        case Parallel():
            found = [_block(branch) for branch in step.branches]
            least = _SPLIT + _BRANCH * len(found) + _sum(branch.least for branch in found)
            once = _SPLIT + _BRANCH * len(found) + _sum(branch.most for branch in found)
            return Range(least, _again(once, step))
        case Map():
            return _map(step)
        case Repeat():
            body = _block(step.body)
            least = _STATE + body.least + _STATE
            most = _STATE + (body.most + _STATE) * step.max_iterations
            return Range(least, most + _STATE)
        case Choice() | Wait() | SetVariables() | Fail() | Succeed():
            return Range(_STATE, _STATE)


def _map(step: Map) -> Range:
    body = _block(step.body)
    tolerating = _STATE if 0 < step.tolerated < 100 else Effort()
    failed = _STATE if step.tolerated else Effort()
    once = _SPLIT + (body.most + failed + _ITEM) * step.max_items + tolerating
    if _is_large(step, body.most):
        once = replace(once, events=_SPLIT.events + tolerating.events + 2)
    items = len(step.items) if isinstance(step.items, tuple) else 0
    return Range(_SPLIT + (body.least + _ITEM) * items + tolerating, _again(once, step))


def _again(once: Effort, step: Parallel | Map) -> Effort:
    """All that, as often as the step may be tried."""
    times = _retries(step.retry)
    return once * (1 + times) + Effort(0, times, 0) + _last_result(step)


def _retries(rules: Iterable[RetryRule]) -> int:
    return sum(rule.max_retries for rule in rules)


def _last_result(step: Step) -> Effort:
    """A fixed result at the end of a list is a state of its own."""
    last = step.next_task is None and isinstance(fallback_of(step), FixedResult)
    return _STATE if last else Effort()


def _sum(parts: Iterable[Effort]) -> Effort:
    return sum(parts, Effort())


def longest(block: Block, weight: Callable[[Step], int]) -> int:
    """The greatest sum of weights on one way through; ENDLESS if a loop has no bound."""
    steps = {step.id: step for step in block}
    weights = {step.id: weight(step) for step in block}
    targets = {
        step_id: {edge.target for edge in edges(step) if edge.target in steps}
        for step_id, step in steps.items()
    }
    open_ways = Counter(target for found in targets.values() for target in found)
    longest_to: dict[str, int] = {}
    waiting = [step_id for step_id in steps if not open_ways[step_id]]
    done = 0
    while waiting:
        step_id = waiting.pop()
        done += 1
        so_far = longest_to.get(step_id, 0) + weights[step_id]
        longest_to[step_id] = so_far
        for target in targets[step_id]:
            assert target is not None
            longest_to[target] = max(longest_to.get(target, 0), so_far)
            open_ways[target] -= 1
            if not open_ways[target]:
                waiting.append(target)
    return max(longest_to.values(), default=0) if done == len(steps) else ENDLESS


def shortest(block: Block, weight: Callable[[Step], int]) -> int:
    """The smallest sum of weights on a way through that ends well; 0 if none does."""
    steps = {step.id: step for step in block}
    weights = {step.id: weight(step) for step in block}  # once each: what they hold is walked too
    if not block:
        return 0
    best = {block[0].id: weights[block[0].id]}
    ends: list[int] = []
    waiting = deque([block[0].id])
    while waiting:
        step = steps[waiting.popleft()]
        so_far = best[step.id]
        if isinstance(step, Succeed):
            ends.append(so_far)
        for edge in edges(step):
            if edge.target is None:
                ends.append(so_far)
            elif edge.target in steps:
                arriving = so_far + weights[edge.target]
                if arriving < best.get(edge.target, ENDLESS):
                    best[edge.target] = arriving
                    waiting.append(edge.target)
    return min(ends, default=0)
