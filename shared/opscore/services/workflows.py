"""Workflow templates: checked, compiled, each changed upload a new immutable version."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opscore.errors import Contended, Malformed, WorkflowInvalid, WorkflowNotFound, WorkflowShipped
from opscore.models.workflow import WorkflowVersion
from opscore.ports import Change, Clock, ConditionFailed, Refused, Store
from opscore.records.codec import text
from opscore.records.machines import MachineRecords
from opscore.records.paging import Listing
from opscore.records.workflows import Workflows
from opscore.services import TRIES
from opscore.services.making import Making

if TYPE_CHECKING:
    from opscore.workflows.checks import Checked

RETIRED_MS = 3_600_000
"""After how long it is looked whether anybody still needs the machines of a replaced version."""

Source = str | bytes | dict[str, Any]


@dataclass(frozen=True)
class Applied:
    """A version, whether it is new, and what the checks would have people look at."""

    version: WorkflowVersion
    changed: bool
    warnings: list[dict[str, Any]]


class WorkflowService:
    """Puts and finds workflow versions."""

    def __init__(
        self,
        store: Store,
        workflows: Workflows,
        making: Making,
        records: MachineRecords,
        queue_url: str,
        clock: Clock,
        *,
        map_executions: bool,
    ) -> None:
        self._map_executions = map_executions
        self._store = store
        self._workflows = workflows
        self._making = making
        self._records = records
        self._queue_url = queue_url
        self._clock = clock

    def check(self, source: Source) -> Checked:
        """Everything that is wrong with a template, and what is doubtful."""
        # Compiling costs imports (YAML, JSONata) that a warm start of a session does not need.
        from opscore.workflows.checks import check

        return check(source, own_executions=self._map_executions)

    def apply(self, workflow_id: str, source: Source) -> Applied:
        """Make a template the current version of its workflow; the same again is no new version.

        Raises WorkflowInvalid, Malformed (another id than the path's), Contended.
        """
        checked = self.check(source)
        workflow = checked.require()
        if workflow.id != workflow_id:
            raise Malformed(
                f"the template's id is {workflow.id!r}, the path's {workflow_id!r}; make them equal"
            )
        warnings = [finding.as_dict() for finding in checked.warnings]
        for _ in range(TRIES):
            head = self._workflows.head(workflow_id)
            if _is_same(head, checked):
                assert head is not None
                return Applied(head, changed=False, warnings=warnings)
            version = self._compiled(checked, number=1 if head is None else head.version + 1)
            try:
                self._store.write(
                    *self._workflows.added(version, 0 if head is None else head.rev),
                    *self._retired(head),
                )
            except ConditionFailed:
                continue
            return Applied(version, changed=True, warnings=warnings)
        raise Contended(f"others keep changing workflow {workflow_id}; try again")

    def delete(self, workflow_id: str) -> None:
        """Let no session start on a workflow any more; those that run go on. What its versions were
        stays on record.

        Raises WorkflowShipped, WorkflowNotFound, Contended.
        """
        from opscore.workflows.shipped import shipped_ids

        if workflow_id in shipped_ids():
            raise WorkflowShipped(f"every deployment ships {workflow_id}; it can't be deleted")
        for _ in range(TRIES):
            head = self._workflows.current(workflow_id)
            if head is None:
                raise WorkflowNotFound(workflow_id)
            gone = self._workflows.deleted(head, self._clock())
            try:
                self._store.write(gone, *self._retired(head))
            except ConditionFailed:
                continue
            return
        raise Contended(f"others keep changing workflow {workflow_id}; try again")

    def _retired(self, head: WorkflowVersion | None) -> list[Change]:
        """What becomes of the machines of a version that is current no more."""
        return [] if head is None else self._records.retired(head, self._clock() + RETIRED_MS)

    def inline(self, definition: dict[str, Any]) -> WorkflowVersion:
        """The version of a definition that came with the request; it is listed nowhere.

        Raises WorkflowInvalid.
        """
        return self._compiled(self.check(definition), number=0)

    def current(self, workflow_id: str) -> WorkflowVersion:
        """The newest version, without its template. Raises WorkflowNotFound."""
        head = self._workflows.current(workflow_id)
        return head if head is not None else self._shipped(workflow_id)

    def _shipped(self, workflow_id: str) -> WorkflowVersion:
        """A workflow that every deployment ships becomes a version when it is first asked for."""
        from opscore.workflows.shipped import shipped_source

        source = shipped_source(workflow_id)
        if source is None:
            raise WorkflowNotFound(workflow_id)
        return self.apply(workflow_id, source).version

    def get(self, workflow_id: str, version: int | None) -> WorkflowVersion:
        """One version with its template; the newest by default. Raises WorkflowNotFound."""
        number = self.current(workflow_id).version if version is None else version
        found = self._workflows.version(workflow_id, number)
        if found is None:
            raise WorkflowNotFound(f"{workflow_id} (version {number})")
        return found

    def runnable(self, workflow_id: str, number: int) -> WorkflowVersion:
        """A version to start a session on, current or not: its machines are made again
        if they were collected, and stay for a while.

        Raises WorkflowNotFound (also when the workflow was deleted), WorkflowInvalid (by the checks
        of today).
        """
        self.current(workflow_id)
        found = self.get(workflow_id, number)
        if found.machine_arn is None or self._making.held(found.machine_arn):
            return found
        return self.rebuilt(workflow_id, number)

    def rebuilt(self, workflow_id: str, version: int) -> WorkflowVersion:
        """A version whose machines are made again from its template.

        Raises WorkflowNotFound, WorkflowInvalid (by the checks of today).
        """
        found = self.get(workflow_id, version)
        return self._compiled(self.check(found.template), version)

    def changed_steps(
        self, workflow_id: str, old: int, new: WorkflowVersion, steps: Collection[str]
    ) -> list[str]:
        """Those of the steps whose results the new version would not have made.

        Raises WorkflowNotFound, WorkflowInvalid (by the checks of today).
        """
        from opscore.workflows.changes import changed

        before = self.check(self.get(workflow_id, old).template).require()
        return changed(before, self.check(new.template).require(), steps)

    def listed(self, *, limit: int, cursor: str | None) -> Listing[WorkflowVersion]:
        return self._workflows.listed(limit=limit, cursor=cursor)

    def versions(
        self, workflow_id: str, *, limit: int, cursor: str | None
    ) -> Listing[WorkflowVersion]:
        """A workflow's versions, the newest first. Raises WorkflowNotFound."""
        self.current(workflow_id)
        return self._workflows.versions(workflow_id, limit=limit, cursor=cursor)

    def _compiled(self, checked: Checked, number: int) -> WorkflowVersion:
        from opscore.workflows.compiler import compile_cleanup, compile_workflow
        from opscore.workflows.steps import compensations

        workflow = checked.require()
        template = checked.template or {}
        machine_arn = cleanup_arn = None
        if workflow.tasks:
            definition = compile_workflow(workflow, self._queue_url)
            cleanup = compile_cleanup(workflow, self._queue_url)
            try:
                made = self._making.made(workflow.id, number, definition, cleanup)
            except Refused as refusal:
                finding = {"code": "OC000", "message": f"Step Functions refused it: {refusal}"}
                raise WorkflowInvalid([finding]) from refusal
            machine_arn, cleanup_arn = made
        return WorkflowVersion(
            workflow_id=workflow.id,
            version=number,
            name=workflow.name,
            label=workflow.version,
            description=workflow.description,
            content_hash=_content_hash(checked),
            machine_arn=machine_arn,
            cleanup_arn=cleanup_arn,
            compensated=tuple(compensations(workflow)),
            input_schema=template.get("input"),
            template=template,
            created_at=self._clock(),
        )


def _content_hash(checked: Checked) -> str:
    return hashlib.sha256(text(checked.template or {}).encode()).hexdigest()


def _is_same(head: WorkflowVersion | None, checked: Checked) -> bool:
    """Whether the template is the current version's."""
    if head is None or head.deleted_at is not None:
        return False
    return head.content_hash == _content_hash(checked)
