"""How long a workflow may take: at least, where nobody takes any time, and at most."""

from __future__ import annotations

import math

from opscore.workflows.effort import ENDLESS, longest, shortest
from opscore.workflows.language import (
    Approval,
    Block,
    Child,
    Map,
    OtherRoute,
    Parallel,
    Repeat,
    RetryRule,
    Seconds,
    Signal,
    Step,
    Task,
    Wait,
    Workflow,
)


def least_seconds(workflow: Workflow) -> int:
    """The shortest time of a session, in seconds: its waits, on the shortest way."""
    return _block_least(workflow.tasks)


def most_seconds(workflow: Workflow) -> int | None:
    """The longest time of a session, in seconds; None if an expression or a loop decides it."""
    most = _block_most(workflow.tasks)
    if workflow.timeout is not None:
        return min(most, workflow.timeout)
    return most if most < ENDLESS else None


def patience(timeout: int, rules: tuple[RetryRule, ...]) -> int:
    """The longest time that attempts and the pauses between them can take, in seconds."""
    total = timeout
    for rule in rules:
        delay = float(rule.interval)
        for _ in range(rule.max_retries):
            total += timeout + int(min(delay, rule.max_delay))
            delay = min(delay * rule.backoff_rate, rule.max_delay)
    return total


def _block_least(block: Block) -> int:
    return shortest(block, _least)


def _least(step: Step) -> int:
    match step:
        case Wait(seconds=int() as seconds):
            return seconds
        case Parallel():
            return max(map(_block_least, step.branches))
        case Map():
            items = len(step.items) if isinstance(step.items, tuple) else 0
            return math.ceil(items / step.max_concurrency) * _block_least(step.body)
        case Repeat():
            return _block_least(step.body)
        case _:
            return 0


def _block_most(block: Block) -> int:
    return longest(block, _most)


def _most(step: Step) -> int:
    match step:
        case Task():
            once = _plain(step.wait_timeout) + _plain(step.timeout)
            total = patience(once, step.route.retry)
            if isinstance(step.fallback, OtherRoute):
                total += patience(once, step.fallback.route.retry)
            return total
        case Approval() | Signal() | Child():
            return patience(_plain(step.timeout), step.retry)
        case Wait():
            return ENDLESS if step.seconds is None else _plain(step.seconds)
        case Parallel():
            return patience(max(map(_block_most, step.branches)), step.retry)
        case Map():
            turns = math.ceil(step.max_items / step.max_concurrency)
            return patience(turns * _block_most(step.body), step.retry)
        case Repeat():
            return step.max_iterations * _block_most(step.body)
        case _:
            return 0


def _plain(seconds: Seconds) -> int:
    return seconds if isinstance(seconds, int) else ENDLESS
