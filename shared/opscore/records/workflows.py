"""How workflows and their versions lie in their table."""

from __future__ import annotations

from collections.abc import Mapping

from opscore.models.workflow import WorkflowVersion
from opscore.ports import Change, Check, Page, Put, Scalar, Store, Table
from opscore.records import keys
from opscore.records.codec import decode, encode
from opscore.records.paging import Listing, index_page, walk

LISTED = "workflows"


class Workflows:
    """Reads workflow versions, and makes the changes that write them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def head(self, workflow_id: str) -> WorkflowVersion | None:
        """The newest version, without its template, deleted or not; its `rev` is the head's."""
        item = self._store.get(keys.workflow_current(workflow_id))
        return None if item is None else decode(WorkflowVersion, item)

    def current(self, workflow_id: str) -> WorkflowVersion | None:
        """The newest version, without its template, if the workflow was not deleted."""
        head = self.head(workflow_id)
        return None if head is None or head.deleted_at is not None else head

    def version(self, workflow_id: str, version: int) -> WorkflowVersion | None:
        item = self._store.get(keys.workflow_version(workflow_id, version))
        return None if item is None else decode(WorkflowVersion, item)

    def added(self, version: WorkflowVersion, head_rev: int) -> list[Change]:
        """A new version, current from now on, if nobody added one since the head was read."""
        workflow_id = version.workflow_id
        head = version.replace(template={})  # every start reads the head: keep it small
        listed: dict[str, Scalar] = {"listPk": LISTED, "listSk": workflow_id}
        return [
            Put(keys.workflow_current(workflow_id), encode(head) | listed, rev=head_rev),
            Put(keys.workflow_version(workflow_id, version.version), encode(version), rev=0),
        ]

    def deleted(self, head: WorkflowVersion, at: int) -> Put:
        """No version is current any more, if nobody added one since the head was read. Its number
        stays, so that none is given twice.
        """
        gone = encode(head.replace(deleted_at=at))
        return Put(keys.workflow_current(head.workflow_id), gone, rev=head.rev)

    def is_current(self, version: WorkflowVersion) -> Check:
        """The condition that a session may start on this version."""
        key = keys.workflow_current(version.workflow_id)
        return Check(key, expect={"version": version.version, "deletedAt": None})

    def listed(self, *, limit: int, cursor: str | None) -> Listing[WorkflowVersion]:
        """A page of current versions, by workflow id."""
        return index_page(
            self._store,
            WorkflowVersion,
            Table.WORKFLOWS,
            keys.LIST,
            LISTED,
            list_name=LISTED,
            limit=limit,
            cursor=cursor,
        )

    def versions(
        self, workflow_id: str, *, limit: int, cursor: str | None
    ) -> Listing[WorkflowVersion]:
        """A page of a workflow's versions, the newest first."""

        def read(partition: str, limit: int, after: Mapping[str, Scalar] | None) -> Page:
            return self._store.query(
                Table.WORKFLOWS,
                partition,
                prefix="version#",
                limit=limit,
                after=after,
                newest_first=True,
            )

        partition = keys.workflow_partition(workflow_id)
        pages, next_cursor = walk(partition, [partition], read, limit=limit, cursor=cursor)
        items = [item for page in pages for _, item in page.items]
        return Listing([decode(WorkflowVersion, item) for item in items], next_cursor)
