"""Every key of every table, in one place. Ids hold no `#`; see models.limits."""

from __future__ import annotations

import zlib

from opscore.ports import Key, Scalar, Table

DUE = "due"
BY_STATE = "byState"
LIST = "list"
BY_STATUS = "byStatus"
BY_MACHINE = "byMachine"
INDEX_KEYS = {
    DUE: ("dueShard", "dueAt"),
    BY_STATE: ("statePk", "sk"),
    LIST: ("listPk", "listSk"),
    BY_STATUS: ("statusPk", "listSk"),
    BY_MACHINE: ("machinePk", "listSk"),
}
"""The attributes of each index: partition and sort key."""

INDEX_SHARDS = 4
"""Partitions of an index that every agent or every session writes to (1,000 writes/s each)."""


def shard_of(text: str, shards: int) -> int:
    """The shard of an id; stable across processes."""
    return zlib.crc32(text.encode()) % shards


def due(identity: str, at: int | None) -> dict[str, Scalar]:
    """The attributes that put an item on the sweeper's list, or take it off."""
    if at is None:
        return {"dueShard": None, "dueAt": None}
    return {"dueShard": str(shard_of(identity, INDEX_SHARDS)), "dueAt": at}


def expiry(at: int, days: int) -> dict[str, Scalar]:
    """The attribute that lets DynamoDB drop an item that many days after a time of ours (ms)."""
    return {"ttl": at // 1000 + days * 86_400}


def due_shards() -> tuple[str, ...]:
    return tuple(str(shard) for shard in range(INDEX_SHARDS))


def agent(agent_id: str) -> Key:
    return Key(Table.AGENTS, f"agent#{agent_id}", "agent")


def early_report(agent_id: str) -> Key:
    return Key(Table.AGENTS, f"early#{agent_id}", "report")


def history(agent_id: str) -> str:
    return f"history#{agent_id}"


def history_entry(agent_id: str, at: int, entry_id: str) -> Key:
    """Sorted by the agent's own time (µs since the epoch; 16 digits last until 2286)."""
    return Key(Table.AGENTS, history(agent_id), f"{max(at, 0):016d}#{entry_id}")


def directory(capability: str | None) -> str:
    """All agents, or those with a capability, in the order of their ids."""
    return "directory" if capability is None else f"directory#{capability}"


def directory_entry(capability: str | None, agent_id: str) -> Key:
    return Key(Table.AGENTS, directory(capability), agent_id)


def state_partition(state: str, shard: int) -> str:
    return f"{state.strip().lower()}#{shard}"


def idle(capability: str, shard: int) -> str:
    return f"idle#{capability}#{shard}"


def idle_entry(capability: str, agent_id: str, since: int, shards: int) -> Key:
    """The longest idle first."""
    return Key(
        Table.AGENTS, idle(capability, shard_of(agent_id, shards)), f"{since:013d}#{agent_id}"
    )


def waiting(list_name: str) -> str:
    return f"waiting#{list_name}"


def waiting_entry(list_name: str, sort: str) -> Key:
    return Key(Table.AGENTS, waiting(list_name), sort)


def lane(name: str) -> str:
    return f"lane#{name}"


def lane_entry(name: str, sort: str) -> Key:
    return Key(Table.AGENTS, lane(name), sort)


def flag(list_name: str) -> Key:
    return Key(Table.AGENTS, f"flag#{list_name}", "flag")


def breaker(transport: str) -> Key:
    return Key(Table.AGENTS, f"breaker#{transport}", "breaker")


def quarantines(*, past: bool) -> str:
    return "quarantine#past" if past else "quarantine#standing"


def quarantine(what: str, name: str) -> Key:
    return Key(Table.AGENTS, quarantines(past=False), f"{what}#{name}")


def quarantine_notice() -> Key:
    return Key(Table.AGENTS, "notice#quarantines", "notice")


def past_quarantine(what: str, name: str, at: int) -> Key:
    return Key(Table.AGENTS, quarantines(past=True), f"{at:013d}#{what}#{name}")


def session_partition(session_id: str) -> str:
    return f"session#{session_id}"


def session(session_id: str) -> Key:
    return Key(Table.WORK, session_partition(session_id), "session")


def task(session_id: str, task_key: str) -> Key:
    return Key(Table.WORK, session_partition(session_id), f"task#{task_key}")


def mailbox(session_id: str, signal: str) -> Key:
    return Key(Table.WORK, session_partition(session_id), f"signals#{signal}")


def kept_signal(session_id: str, signal: str, number: int) -> Key:
    return Key(Table.WORK, session_partition(session_id), f"signal#{signal}#{number}")


def signal_id(session_id: str, given_id: str) -> Key:
    return Key(Table.WORK, session_partition(session_id), f"signalId#{given_id}")


def attempt(attempt_id: str) -> Key:
    return Key(Table.WORK, f"attempt#{attempt_id}", "attempt")


def idempotency(digest: str) -> Key:
    return Key(Table.WORK, f"idempotency#{digest}", "record")


def dead_letter(dead_letter_id: str) -> Key:
    return Key(Table.WORK, f"deadLetter#{dead_letter_id}", "deadLetter")


def dead_letter_body(dead_letter_id: str) -> Key:
    return Key(Table.WORK, f"deadLetter#{dead_letter_id}", "body")


def letters(facet: str, value: str = "") -> str:
    """A list of dead letters: all, the open ones, or those with a value."""
    return f"letters#{facet}#{value}"


def workflow_partition(workflow_id: str) -> str:
    return f"workflow#{workflow_id}"


def workflow_current(workflow_id: str) -> Key:
    return Key(Table.WORKFLOWS, workflow_partition(workflow_id), "current")


def workflow_version(workflow_id: str, version: int) -> Key:
    return Key(Table.WORKFLOWS, workflow_partition(workflow_id), f"version#{version:08d}")


POLICIES = "policies"
"""The partition that lists every policy."""


def policy(subject: str) -> Key:
    return Key(Table.AGENTS, f"policy#{subject}", "policy")


def policy_entry(subject: str) -> Key:
    return Key(Table.AGENTS, POLICIES, subject)


def counter(slot: str) -> Key:
    return Key(Table.AGENTS, f"counter#{slot}", "counter")


def bucket(subject: str, number: int) -> Key:
    return Key(Table.AGENTS, f"bucket#{subject}#{number}", "bucket")


def machine_name(machine_arn: str) -> str:
    """A state machine's name, from its ARN."""
    return machine_arn.rsplit(":", 1)[1]


def machine(name: str) -> Key:
    return Key(Table.WORKFLOWS, f"machine#{name}", "machine")
