"""Who is idle and what waits: the two lists that meet, and the flags that say the second may hold
something. All are items of a base table, because an index can't be read consistently.
"""

from __future__ import annotations

from collections.abc import Iterable

from opscore.models.base import Model
from opscore.models.messages import TaskMessage
from opscore.models.policy import PolicyKind, Subject
from opscore.models.task import Attempt
from opscore.ports import Change, Delete, Item, Key, Put, Store, Table, Update, Upsert
from opscore.records import keys
from opscore.records.codec import decode, encode

PRIORITY_STEP_MS = 60_000
"""A step of priority is worth this much waiting: so age lifts low priorities, in one sort key."""

RECHECK_MS = 60_000
"""How long a waiting list may stand before the sweeper looks for a wake-up that got lost."""

AGENT_LIST = "@"
SESSION_LIST = "="
"""What the names of lists begin with that are no capability's and no policy's: those end in `#` and
a shard."""


class WaitingEntry(Model):
    """A parked attempt in its list."""

    attempt_id: str
    session_id: str
    task_key: str
    workflow_id: str
    capability: str | None = None
    list_name: str
    sort: str


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

    def parked(self, attempt: Attempt) -> Put:
        """The entry of a parked attempt."""
        assert attempt.waiting_list is not None
        assert attempt.waiting_key is not None
        entry = WaitingEntry(
            attempt_id=attempt.attempt_id,
            session_id=attempt.session_id,
            task_key=attempt.message.task_key,
            workflow_id=attempt.message.workflow_id,
            capability=attempt.message.capability,
            list_name=attempt.waiting_list,
            sort=attempt.waiting_key,
        )
        return Put(keys.waiting_entry(entry.list_name, entry.sort), encode(entry), rev=None)

    def taken(self, attempt: Attempt) -> list[Change]:
        """The entry of an attempt that waits no more."""
        if attempt.waiting_list is None or attempt.waiting_key is None:
            return []
        return [Delete(keys.waiting_entry(attempt.waiting_list, attempt.waiting_key))]

    def dropped(self, entry: WaitingEntry) -> Delete:
        """No such entry any more: its attempt does not wait there."""
        return Delete(keys.waiting_entry(entry.list_name, entry.sort))

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


def waiting_key(attempt: Attempt) -> str:
    """Where an attempt stands in its list: priority and age as one time, in ms. The revision makes
    each parking's key its own, so that a stale entry can be deleted without a look at the next.
    """
    priority = attempt.message.priority if isinstance(attempt.message, TaskMessage) else 0
    lifted = attempt.asked_at - priority * PRIORITY_STEP_MS
    return f"{max(lifted, 0):013d}#{attempt.attempt_id}#{attempt.rev}"
