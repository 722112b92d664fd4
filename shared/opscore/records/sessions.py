"""How sessions lie in the work table."""

from __future__ import annotations

from opscore.lifecycle.sessions import FINAL
from opscore.models.session import IdempotencyRecord, Session
from opscore.ports import Put, Store, Table
from opscore.records import keys
from opscore.records.codec import decode, encode
from opscore.records.paging import Listing, index_page

LISTED = "sessions"


class Sessions:
    """Reads sessions, and makes the changes that write them."""

    def __init__(self, store: Store, retention_days: int) -> None:
        self._store = store
        self._retention_days = retention_days

    def get(self, session_id: str) -> Session | None:
        item = self._store.get(keys.session(session_id))
        return None if item is None else decode(Session, item)

    def put(self, session: Session) -> Put:
        """The session, if nobody wrote it since it was read (rev 0: if there is none)."""
        item = encode(session) | keys.due(session.session_id, session.due_at)
        item["listPk"] = LISTED
        item["listSk"] = f"{session.start_time:013d}#{session.session_id}"
        item["statusPk"] = _status_partition(session.status)
        if session.machine_arn is not None and not session.cleaned:
            item["machinePk"] = keys.machine_name(session.machine_arn)
        if session.status in FINAL and session.cleaned:
            ended = session.end_time or session.last_updated_time
            item |= keys.expiry(ended, self._retention_days)
        return Put(keys.session(session.session_id), item, rev=session.rev)

    def idempotency(self, digest: str, record: IdempotencyRecord) -> Put:
        """The key's record, if the key is new."""
        item = encode(record) | {"ttl": record.expires_at}
        return Put(keys.idempotency(digest), item, rev=0)

    def open_on(self, machine_arn: str) -> bool:
        """Whether a session needs that machine still. Eventually consistent."""
        name = keys.machine_name(machine_arn)
        return bool(self._store.query_index(Table.WORK, keys.BY_MACHINE, name, limit=1).items)

    def remembered(self, digest: str) -> IdempotencyRecord | None:
        """The key's record, if the key is known."""
        item = self._store.get(keys.idempotency(digest))
        return None if item is None else decode(IdempotencyRecord, item)

    def listed(
        self, *, status: str | None, workflow_id: str | None, limit: int, cursor: str | None
    ) -> Listing[Session]:
        """A page of sessions, the newest first; a workflow's may come in short pages."""
        page = index_page(
            self._store,
            Session,
            Table.WORK,
            keys.LIST if status is None else keys.BY_STATUS,
            LISTED if status is None else _status_partition(status),
            list_name=f"sessions/{status}/{workflow_id}",
            limit=limit,
            cursor=cursor,
            newest_first=True,
        )
        return Listing(
            [
                s
                for s in page.items
                if (workflow_id is None or s.workflow_id == workflow_id)
                and (status is None or s.status == status)
            ],
            page.next_cursor,
        )


def _status_partition(status: str) -> str:
    return f"session#{status}"
