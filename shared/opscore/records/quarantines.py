"""How quarantines lie in the agents' table: those that stand in one partition, past ones in
another.
"""

from __future__ import annotations

from collections.abc import Mapping

from opscore.models.agent import Agent
from opscore.models.base import Model
from opscore.models.quarantine import Mark, Quarantine, Quarantined
from opscore.ports import Change, Delete, Page, Put, Scalar, Store, Table
from opscore.records import keys
from opscore.records.codec import decode, encode
from opscore.records.paging import Listing, walk

RECHECK_MS = 60_000
"""How long whoever imposed or lifted it has to see to the agents, before the sweeper does."""


class Notice(Model):
    """The quarantines that not all of their agents carry yet; read with each agent that is to get
    work, so that it gets none of those from the first moment on.
    """

    marks: tuple[Mark, ...] = ()
    rev: int = 0


class Quarantines:
    """Reads quarantines, and makes the changes that write them."""

    def __init__(self, store: Store, retention_days: int) -> None:
        self._store = store
        self._retention_days = retention_days

    def get(self, what: Quarantined, name: str) -> Quarantine | None:
        item = self._store.get(keys.quarantine(what, name))
        return None if item is None else decode(Quarantine, item)

    def about(self, agent: Agent) -> list[Quarantine]:
        """Those that may concern the agent. To be read after the agent, never before."""
        wanted = [
            keys.quarantine(Quarantined.AGENT, agent.agent_id),
            keys.quarantine(Quarantined.VERSION, agent.version),
            *(keys.quarantine(Quarantined.CAPABILITY, name) for name in agent.capabilities),
        ]
        return [decode(Quarantine, item) for item in self._store.get_many(wanted).values()]

    def put(self, quarantine: Quarantine, now: int) -> Put:
        """The quarantine, if nobody wrote it since it was read."""
        key = keys.quarantine(quarantine.what, quarantine.name)
        due_at = None if quarantine.applied else now + RECHECK_MS
        item = encode(quarantine) | keys.due(quarantine.name, due_at)
        return Put(key, item, rev=quarantine.rev)

    def notice(self) -> Notice:
        item = self._store.get(keys.quarantine_notice())
        return Notice() if item is None else decode(Notice, item)

    def noticed(self, notice: Notice, quarantine: Quarantine) -> list[Change]:
        """The notice as it must be with this quarantine, if nobody wrote it since it was read."""
        others = tuple(
            mark
            for mark in notice.marks
            if (mark.what, mark.name) != (quarantine.what, quarantine.name)
        )
        open_ = quarantine.stands and not quarantine.applied
        marks = (*others, quarantine.mark()) if open_ else others
        if marks == notice.marks:
            return []
        after = notice.model_copy(update={"marks": marks})
        return [Put(keys.quarantine_notice(), encode(after), rev=notice.rev)]

    def over(self, quarantine: Quarantine) -> list[Change]:
        """The lifted quarantine, moved to the past ones."""
        key = keys.quarantine(quarantine.what, quarantine.name)
        at = quarantine.released_at or 0
        past = keys.past_quarantine(quarantine.what, quarantine.name, at)
        item = encode(quarantine) | keys.expiry(at, self._retention_days)
        return [Delete(key, expect={"rev": quarantine.rev}), Put(past, item, rev=None)]

    def listed(self, *, past: bool, limit: int, cursor: str | None) -> Listing[Quarantine]:
        """A page of those that stand, or of the past ones, newest first."""
        partition = keys.quarantines(past=past)

        def read(partition: str, limit: int, after: Mapping[str, Scalar] | None) -> Page:
            return self._store.query(
                Table.AGENTS, partition, limit=limit, after=after, newest_first=past
            )

        pages, next_cursor = walk(partition, [partition], read, limit=limit, cursor=cursor)
        found = [decode(Quarantine, item) for page in pages for _, item in page.items]
        return Listing(found, next_cursor)
