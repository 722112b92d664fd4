"""Which steps of a workflow mean something else in another version of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from opscore.workflows.language import Block, Expression, Workflow
from opscore.workflows.steps import blocks

_OF_NO_ACCOUNT = frozenset(
    {
        "place", "next_place", "next_task", "name", "timeout", "wait_timeout", "heartbeat",
        "priority", "retry", "max_concurrency", "tolerated", "max_items", "compensate",
        "branches", "body",
    }
)  # fmt: skip
"""What a result does not come from: where a step stands and goes on, how patiently it is tried."""


def changed(old: Workflow, new: Workflow, steps: Collection[str]) -> list[str]:
    """Those of the steps whose results the new version would not have made: who does it, with what,
    and inside of what, is not the same; or it is not there.
    """
    before = dict(_meanings(old.tasks, _first(old)))
    after = dict(_meanings(new.tasks, _first(new)))
    return [one for one in steps if one not in after or before.get(one) != after[one]]


def _first(workflow: Workflow) -> str | None:
    """The step whose parameters the session's input is laid over."""
    return workflow.tasks[0].id if workflow.tasks else None


def _meanings(
    block: Block, first: str | None, around: tuple[Any, ...] = ()
) -> Iterator[tuple[str, Any]]:
    for step in block:
        meaning = (*around, type(step).__name__, _plain(step), step.id == first)
        yield step.id, meaning
        for number, inner in enumerate(blocks(step)):
            yield from _meanings(inner, first, (*meaning, number))


def _plain(value: Any) -> Any:
    """A part of the language as plain data that can be compared."""
    if isinstance(value, Expression):
        return ("expression", value.source)
    if is_dataclass(value):
        names = (field.name for field in fields(value) if field.name not in _OF_NO_ACCOUNT)
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return (type(value).__name__, value)  # true is not 1
