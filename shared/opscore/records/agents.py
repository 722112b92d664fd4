"""How agents lie in their table: the agent, its places in the lists, its history, early words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from pydantic import JsonValue

from opscore.lifecycle.agents import next_change_at
from opscore.lifecycle.quarantines import offered
from opscore.models.agent import Agent, Report
from opscore.models.base import Model
from opscore.ports import Change, Delete, Page, Put, Scalar, Store, Table
from opscore.records import keys
from opscore.records.codec import decode, encode
from opscore.records.paging import Listing, walk
from opscore.records.waiting import Waiting

PAGE = 100

EARLY_SECONDS = 600
"""How long a report from an agent that nobody knows yet is remembered."""


class HistoryEntry(Model):
    """A report as it arrived. `received_at`: our clock, ms; `displayed`: was the newest then."""

    state: str
    timestamp: str
    details: dict[str, JsonValue] | None = None
    received_at: int
    displayed: bool


class Agents:
    """Reads agents, and makes the changes that write them."""

    def __init__(self, store: Store, shards: int) -> None:
        self._store = store
        self._shards = shards

    def get(self, agent_id: str) -> Agent | None:
        item = self._store.get(keys.agent(agent_id))
        return None if item is None else decode(Agent, item)

    def get_many(self, agent_ids: Iterable[str]) -> list[Agent]:
        """Those of the agents that exist, in the order asked for."""
        wanted = [keys.agent(agent_id) for agent_id in agent_ids]
        found = self._store.get_many(wanted)
        return [decode(Agent, found[key]) for key in wanted if key in found]

    def changed(self, before: Agent, after: Agent) -> list[Change]:
        """The agent as it is now, if nobody wrote it since it was read; the agent comes first."""
        item = encode(after) | keys.due(after.agent_id, next_change_at(after))
        shard = keys.shard_of(after.agent_id, keys.INDEX_SHARDS)
        item["statePk"] = keys.state_partition(after.state, shard)
        return [
            Put(keys.agent(after.agent_id), item, rev=before.rev),
            *Waiting.idle_changes(
                after.agent_id,
                (offered(before), before.idle_since),
                (offered(after), after.idle_since),
                self._shards,
            ),
        ]

    def registered(self, before: Agent | None, after: Agent) -> list[Change]:
        """The agent with its places in the directory."""
        old: set[str | None] = set() if before is None else {None, *before.capabilities}
        new: set[str | None] = {None, *after.capabilities}
        blank = after.replace(idle_since=None, capabilities=(), rev=0)
        return [
            *self.changed(before or blank, after),
            *(Delete(keys.directory_entry(c, after.agent_id)) for c in _sorted(old - new)),
            *(Put(keys.directory_entry(c, after.agent_id), {}, None) for c in _sorted(new - old)),
        ]

    def removed(self, agent: Agent) -> list[Change]:
        """No such agent any more."""
        places = _sorted({None, *agent.capabilities})
        return [
            Delete(keys.agent(agent.agent_id), expect={"rev": agent.rev}),
            Delete(keys.early_report(agent.agent_id)),
            *(Delete(keys.directory_entry(place, agent.agent_id)) for place in places),
            *Waiting.idle_changes(
                agent.agent_id, (offered(agent), agent.idle_since), ((), None), self._shards
            ),
        ]

    def others_with(self, capability: str, but: Iterable[str], limit: int = 25) -> list[Agent]:
        """Some of the agents that have the capability and are none of those."""
        excluded = set(but)
        page = self._store.query(
            Table.AGENTS, keys.directory(capability), limit=limit + len(excluded)
        )
        return self.get_many([key.sk for key, _ in page.items if key.sk not in excluded])

    def every(self, capability: str | None, after_id: str | None = None) -> Iterator[Agent]:
        """All agents, or those with the capability, by id; read as far as they are asked for."""
        partition = keys.directory(capability)
        after: Mapping[str, Scalar] | None = None
        if after_id is not None:
            after = {"pk": partition, "sk": after_id}
        while True:
            page = self._store.query(Table.AGENTS, partition, limit=PAGE, after=after)
            yield from self.get_many([key.sk for key, _ in page.items])
            after = page.after
            if after is None:
                return

    def listed(
        self,
        *,
        state: str | None,
        capability: str | None,
        keep: Callable[[Agent], bool],
        limit: int,
        cursor: str | None,
    ) -> Listing[Agent]:
        """A page of agents, by id; with a state, those whose state reads so. `keep` leaves out of
        the page whom it refuses, so that a page may be short and still not the last.
        """
        if state is None:
            partitions: Sequence[str] = [keys.directory(capability)]
        else:
            partitions = [keys.state_partition(state, s) for s in range(keys.INDEX_SHARDS)]

        def read(partition: str, limit: int, after: Mapping[str, Scalar] | None) -> Page:
            if state is None:
                return self._store.query(Table.AGENTS, partition, limit=limit, after=after)
            return self._store.query_index(
                Table.AGENTS, keys.BY_STATE, partition, limit=limit, after=after
            )

        name = f"agents/{state}/{capability}"
        pages, next_cursor = walk(name, partitions, read, limit=limit, cursor=cursor)
        found = [key for page in pages for key, _ in page.items]
        ids = [key.pk.removeprefix("agent#") if state is not None else key.sk for key in found]
        agents = self.get_many(ids)
        found_agents = [a for a in agents if capability is None or capability in a.capabilities]
        return Listing([agent for agent in found_agents if keep(agent)], next_cursor)

    def heard(
        self, agent_id: str, report: Report, entry_id: str, now: int, *, displayed: bool, days: int
    ) -> Put:
        """The report's place in the history."""
        entry = HistoryEntry(
            state=report.state,
            timestamp=report.timestamp,
            details=report.details,
            received_at=now,
            displayed=displayed,
        )
        key = keys.history_entry(agent_id, report.at, entry_id)
        return Put(key, encode(entry) | keys.expiry(now, days), rev=None)

    def history(self, agent_id: str, *, limit: int, cursor: str | None) -> Listing[HistoryEntry]:
        """Reports of an agent, the newest by its own clock first."""

        def read(partition: str, limit: int, after: Mapping[str, Scalar] | None) -> Page:
            return self._store.query(
                Table.AGENTS, partition, limit=limit, after=after, newest_first=True
            )

        partition = keys.history(agent_id)
        pages, next_cursor = walk(partition, [partition], read, limit=limit, cursor=cursor)
        entries = [decode(HistoryEntry, item) for page in pages for _, item in page.items]
        return Listing(entries, next_cursor)

    def early(self, agent_id: str, report: Report, now: int) -> Put:
        """A report of an agent that nobody knows yet; the newest arrival stays."""
        ttl = now // 1000 + EARLY_SECONDS
        return Put(keys.early_report(agent_id), encode(report) | {"ttl": ttl}, rev=None)

    def early_report(self, agent_id: str, now: int) -> Report | None:
        """What the agent said before it was registered, unless too long ago."""
        item = self._store.get(keys.early_report(agent_id))
        if item is None or int(item["ttl"] or 0) < now // 1000:
            return None
        return decode(Report, item)

    def forgotten(self, agent_id: str) -> Delete:
        """The early report, once it has been applied."""
        return Delete(keys.early_report(agent_id))


def _sorted(places: Iterable[str | None]) -> list[str | None]:
    return sorted(places, key=lambda place: place or "")
