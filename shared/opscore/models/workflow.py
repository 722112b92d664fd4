from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from opscore.models.base import Model


class WorkflowVersion(Model):
    """One immutable version of a workflow and the state machine it became.

    `machine_arn` is null for a template without tasks: there is nothing to run. `cleanup_arn`: the
    machine that tidies up after sessions that end badly, if the template asks for that, and
    `compensated` the steps that it can undo. `input_schema`: what sessions may be started with.
    `deleted_at`: nothing is current of the workflow since then.
    """

    workflow_id: str
    version: int
    name: str
    label: str
    description: str = ""
    content_hash: str
    machine_arn: str | None = None
    cleanup_arn: str | None = None
    compensated: tuple[str, ...] = ()
    input_schema: JsonValue = None
    template: dict[str, JsonValue]
    created_at: int
    deleted_at: int | None = None
    rev: int = 0

    def replace(self, **changes: Any) -> WorkflowVersion:
        return self.model_copy(update=changes)


class MachinePair(Model):
    """The state machines of one definition: of its sessions, and of what tidies up after them.

    `made`: they exist in Step Functions. `due_at`: when it is looked whether anybody still needs
    them (ms), None while they are those of a current version. `deleting`: nobody does.
    """

    name: str
    workflow_id: str
    machine_arn: str
    cleanup_arn: str | None = None
    made: bool = False
    deleting: bool = False
    due_at: int | None = None
    rev: int = 0

    def replace(self, **changes: Any) -> MachinePair:
        return self.model_copy(update=changes)
