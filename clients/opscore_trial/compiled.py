"""A template's definitions, and what can be asked for and entered in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from opscore.workflows.compiler import compile_cleanup, compile_workflow
from opscore.workflows.language import Workflow

_QUEUE = "https://sqs.invalid/000000000000/tasks"


@dataclass(frozen=True)
class Compiled:
    """What a session runs: its definition, and the one that runs after a bad end.

    `input`: the schema of what it may be started with.
    """

    workflow_id: str
    definition: str
    cleanup: str | None = None
    input: Mapping[str, object] | None = None

    @classmethod
    def of(cls, workflow: Workflow) -> Compiled:
        """A checked template compiled. Raises `WorkflowInvalid`."""
        return cls(
            workflow.id,
            compile_workflow(workflow, _QUEUE),
            compile_cleanup(workflow, _QUEUE),
            workflow.input,
        )

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """What each task is, by its id: task, approval, signal or workflow."""
        messages = (state["Arguments"]["MessageBody"] for _, state in self._tasks())
        return {message["taskId"]: message["kind"] for message in messages}

    @cached_property
    def states(self) -> frozenset[str]:
        """The names of all states of the session itself."""
        return frozenset(name for name, _ in _states(json.loads(self.definition)))

    def _tasks(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for definition in filter(None, (self.definition, self.cleanup)):
            for name, state in _states(json.loads(definition)):
                if state["Type"] == "Task":
                    yield name, state


def _states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in machine["States"].items():
        yield name, state
        for inner in (*state.get("Branches", ()), *filter(None, [state.get("ItemProcessor")])):
            yield from _states(inner)
