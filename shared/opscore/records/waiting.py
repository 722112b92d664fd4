"""Who is idle and what waits: the two lists that meet, and the flags that say the second may hold
something. All are items of a base table, because an index can't be read consistently.
"""

from __future__ import annotations

from collections.abc import Iterable

from opscore.lifecycle.turns import Place, lifted, turn
from opscore.models.base import Model
from opscore.models.messages import TaskMessage
from opscore.models.policy import PolicyKind, Subject
from opscore.models.task import Attempt
from opscore.ports import Change, Delete, Item, Key, Put, Store, Table, Update, Upsert
from opscore.records import keys
from opscore.records.codec import decode, encode

CONSIDERED = 25
"""Entries of a list among which the next is chosen."""

RECHECK_MS = 60_000
"""How long a waiting list may stand before the sweeper looks for a wake-up that got lost."""

AGENT_LIST = "@"
SESSION_LIST = "="
"""What the names of lists begin with that are no capability's and no policy's: those end in `#` and
a shard."""


class WaitingEntry(Model):
    """A parked attempt in its list. `turn`: from when it counts there; `lane`: those of its list
    that take one workflow's turns, one after the other.
    """

    attempt_id: str
    session_id: str
    task_key: str
    workflow_id: str
    capability: str | None = None
    list_name: str
    sort: str
    priority: int = 0
    turn: int = 0
    lane: str | None = None


class Flag(Model):
    """A waiting list may hold something. `last` names the newest entry, and is never the same
    twice: who saw the list empty may lower the flag only if nothing came since.
    """

    list_name: str
    last: str


class Waiting:
    """The lists of idle agents and of parked attempts."""

    def __init__(self, store: Store, shards: int) -> None:
        self._store = store
        self._shards = shards

    def shard_order(self, seed: str) -> list[int]:
        """All shards, starting at one that depends on the seed, so that searches spread out."""
        first = keys.shard_of(seed, self._shards)
        return [(first + step) % self._shards for step in range(self._shards)]

    def idle_agents(self, capability: str, shard: int, limit: int = 10) -> list[str]:
        """Ids of agents that were eligible at this moment, the longest idle first."""
        page = self._store.query(Table.AGENTS, keys.idle(capability, shard), limit=limit)
        return [key.sk.split("#", 1)[1] for key, _ in page.items]

    def list_of(self, attempt: Attempt) -> str:
        """The list in which the attempt waits: its agent's, or a shard of its capability's."""
        message = attempt.task_message
        if message.agent_id is not None:
            return agent_list(message.agent_id)
        shard = keys.shard_of(attempt.attempt_id, self._shards)
        return f"{message.agent_capability}#{shard}"

    def lists_for(self, agent_id: str, capabilities: Iterable[str]) -> list[str]:
        """Every list from which the agent may take."""
        shards = range(self._shards)
        return [
            agent_list(agent_id),
            *(f"{capability}#{shard}" for capability in capabilities for shard in shards),
        ]

    def policy_lists(self, subject: Subject) -> list[str]:
        """Every list in which tasks wait for a policy to let them through."""
        return [f"{subject}#{shard}" for shard in range(self._shards)]

    def policy_list(self, subject: Subject, attempt_id: str) -> str:
        """The one of them in which that attempt waits."""
        return f"{subject}#{keys.shard_of(attempt_id, self._shards)}"

    def turn_of(self, attempt: Attempt, list_name: str) -> int:
        """From when the attempt's turn counts, should it park in that list now (ms)."""
        lane = lane_of(list_name, attempt)
        if lane is None:
            return attempt.asked_at
        if attempt.turn is not None and attempt.turn.list_name == list_name:
            return attempt.turn.at
        first = [Place(entry.priority, entry.turn) for entry in self.first(list_name, CONSIDERED)]
        last = self._store.query(Table.AGENTS, keys.lane(lane), limit=1, newest_first=True)
        before = next((int(item["turn"] or 0) for _, item in last.items), None)
        return turn(attempt.asked_at, _priority(attempt), first, before)

    def parked(self, attempt: Attempt) -> list[Change]:
        """The entry of a parked attempt."""
        assert attempt.waiting_list is not None
        assert attempt.waiting_key is not None
        assert attempt.turn is not None
        entry = WaitingEntry(
            attempt_id=attempt.attempt_id,
            session_id=attempt.session_id,
            task_key=attempt.message.task_key,
            workflow_id=attempt.message.workflow_id,
            capability=attempt.message.capability,
            list_name=attempt.waiting_list,
            sort=attempt.waiting_key,
            priority=_priority(attempt),
            turn=attempt.turn.at,
            lane=lane_of(attempt.waiting_list, attempt),
        )
        put = Put(keys.waiting_entry(entry.list_name, entry.sort), encode(entry), rev=None)
        if entry.lane is None:
            return [put]
        return [put, Put(keys.lane_entry(entry.lane, entry.sort), {"turn": entry.turn}, rev=None)]

    def taken(self, attempt: Attempt) -> list[Change]:
        """The entry of an attempt that waits no more."""
        if attempt.waiting_list is None or attempt.waiting_key is None:
            return []
        lane = lane_of(attempt.waiting_list, attempt)
        return _gone(attempt.waiting_list, lane, attempt.waiting_key)

    def dropped(self, entry: WaitingEntry) -> list[Change]:
        """No such entry any more: its attempt does not wait there."""
        return _gone(entry.list_name, entry.lane, entry.sort)

    def first(self, list_name: str, limit: int) -> list[WaitingEntry]:
        """The entries that come first in a list."""
        page = self._store.query(Table.AGENTS, keys.waiting(list_name), limit=limit)
        return [decode(WaitingEntry, item) for _, item in page.items]

    def flag(self, list_name: str) -> Flag | None:
        item = self._store.get(keys.flag(list_name))
        return None if item is None else decode(Flag, item)

    def flagged(self, lists: Iterable[str]) -> list[str]:
        """Those of the lists whose flag stands."""
        wanted = {keys.flag(name): name for name in lists}
        return [wanted[key] for key in self._store.get_many(list(wanted))]

    def raised(self, attempt: Attempt, now: int) -> Upsert:
        """The flag of the list in which the attempt now waits."""
        assert attempt.waiting_list is not None
        flag = Flag(
            list_name=attempt.waiting_list, last=f"{attempt.attempt_id}#{attempt.rev}#{now}"
        )
        return Upsert(
            keys.flag(flag.list_name),
            encode(flag),
            initial=keys.due(flag.list_name, now + RECHECK_MS),
        )

    def rearmed(self, flag: Flag, now: int) -> Update:
        """The flag, to be looked at again later."""
        return Update(
            keys.flag(flag.list_name), {"dueAt": now + RECHECK_MS}, expect={"last": flag.last}
        )

    def lowered(self, flag: Flag) -> Delete:
        """No flag any more, unless an entry came since it was read."""
        return Delete(keys.flag(flag.list_name), expect={"last": flag.last})

    @staticmethod
    def idle_changes(
        agent_id: str,
        before: tuple[Iterable[str], int | None],
        after: tuple[Iterable[str], int | None],
        shards: int,
    ) -> list[Change]:
        """What an agent's idle entries change by, from (capabilities, idle since) to the same."""
        old = _entries(agent_id, *before, shards)
        new = _entries(agent_id, *after, shards)
        item: Item = {"agentId": agent_id}
        return [
            *(Delete(key) for key in old if key not in new),
            *(Put(key, item, rev=None) for key in new if key not in old),
        ]


def _entries(
    agent_id: str, capabilities: Iterable[str], since: int | None, shards: int
) -> list[Key]:
    if since is None:
        return []
    return [keys.idle_entry(capability, agent_id, since, shards) for capability in capabilities]


def agent_list(agent_id: str) -> str:
    """Where tasks wait that name this agent."""
    return AGENT_LIST + agent_id


def session_list(session_id: str) -> str:
    """Where the tasks of a paused session are held."""
    return SESSION_LIST + session_id


def capability_of(list_name: str) -> str | None:
    """The capability whose list it is; None for another kind of list. A capability may begin with
    anything, but only its lists have one `#`.
    """
    capability, *shard = list_name.split("#")
    return capability if len(shard) == 1 else None


def subject_of(name: str) -> Subject | None:
    """The subject of the policy whose list, or counter, it is; None for another kind of list."""
    kind, *rest = name.split("#")
    return Subject(PolicyKind(kind), rest[0]) if len(rest) == 2 else None


def lane_of(list_name: str, attempt: Attempt) -> str | None:
    """Whose turns the attempt takes in that list: its workflow's, for each priority apart, and for
    retries apart: they have waited before. None where all that wait are of one session.
    """
    message = attempt.message
    of_session = "#" not in list_name and list_name.startswith(SESSION_LIST)
    if of_session or not isinstance(message, TaskMessage):
        return None
    again = "again" if message.retry > 0 or message.route > 0 else "first"
    return f"{list_name}#{message.workflow_id}#{message.priority}#{again}"


def _priority(attempt: Attempt) -> int:
    return attempt.message.priority if isinstance(attempt.message, TaskMessage) else 0


def _gone(list_name: str, lane: str | None, sort: str) -> list[Change]:
    gone: list[Change] = [Delete(keys.waiting_entry(list_name, sort))]
    return gone if lane is None else [*gone, Delete(keys.lane_entry(lane, sort))]


def waiting_key(attempt: Attempt, turn: int) -> str:
    """Where an attempt stands in its list whose turn counts from then; of two at one time, the one
    that asked first is first. The revision makes each parking's key its own, so that a stale entry
    can be deleted without a look at the next.
    """
    at = lifted(Place(_priority(attempt), turn))
    return f"{at:013d}#{attempt.asked_at:013d}#{attempt.attempt_id}#{attempt.rev}"
