"""What the services need of the world outside; adapters are in `aws` and `transports`.

Each port has a fake with memory in tests/support, and both pass the same contract tests.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import Protocol

from opscore.models.agent import Agent
from opscore.models.messages import Message
from opscore.models.task import Attempt

Scalar = str | int | bool | None
Item = Mapping[str, Scalar]


class Table(StrEnum):
    """The tables, by what they hold."""

    AGENTS = "agents"
    WORK = "work"
    WORKFLOWS = "workflows"


@dataclass(frozen=True)
class Key:
    """Where an item lies."""

    table: Table
    pk: str
    sk: str


@dataclass(frozen=True)
class Put:
    """Write a whole item. `rev` is the revision that must be there: 0 for none, None for any."""

    key: Key
    item: Item
    rev: int | None


@dataclass(frozen=True)
class Update:
    """Set attributes (None removes) of an item that exists, and whose attributes are as expected
    (one of several, if a collection is given). Its revision grows by one.
    """

    key: Key
    set: Item
    expect: Mapping[str, Scalar | Collection[Scalar]]


@dataclass(frozen=True)
class Upsert:
    """Set attributes of an item, there or not; `initial` only where the item has none yet.
    Its revision grows by one.
    """

    key: Key
    set: Item
    initial: Item = field(default_factory=dict)


@dataclass(frozen=True)
class Add:
    """Add to a whole number of an item, there or not; with `below`, only while the number is less
    (absent, it is 0). The item's revision grows by one.
    """

    key: Key
    number: str
    by: int
    below: int | None = None


@dataclass(frozen=True)
class Delete:
    """Delete an item, there or not; with `expect`, only while its attributes are as expected."""

    key: Key
    expect: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """The item exists and its attributes are as expected; in a transaction with writes."""

    key: Key
    expect: Mapping[str, Scalar] = field(default_factory=dict)


Change = Put | Update | Upsert | Add | Delete | Check


class ConditionFailed(Exception):
    """At least one change of a write was refused, so none was made.

    `failed` has the indexes of the refused changes; `found` the items that stood in their way,
    where there were any.
    """

    def __init__(self, failed: Sequence[int], found: Mapping[int, Item]) -> None:
        super().__init__(f"changes refused: {list(failed)}")
        self.failed = tuple(failed)
        self.found = dict(found)


@dataclass(frozen=True)
class Page:
    """Items in order, with their keys; `after` continues, None at the end."""

    items: tuple[tuple[Key, Item], ...]
    after: Mapping[str, Scalar] | None = None


class Store(Protocol):
    """Items with revisions, conditional writes and transactions."""

    def get(self, key: Key) -> Item | None:
        """One item, read consistently."""
        ...

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """Those of the items that exist, each read consistently (not all at one moment)."""
        ...

    def query(
        self,
        table: Table,
        pk: str,
        *,
        limit: int,
        prefix: str = "",
        between: tuple[str, str] | None = None,
        after: Mapping[str, Scalar] | None = None,
        newest_first: bool = False,
    ) -> Page:
        """Items of one partition in the order of their sort keys, read consistently; with a prefix,
        or between two sort keys, both included.
        """
        ...

    def query_index(
        self,
        table: Table,
        index: str,
        partition: str,
        *,
        limit: int,
        upto: int | None = None,
        after: Mapping[str, Scalar] | None = None,
        newest_first: bool = False,
    ) -> Page:
        """Keys of one partition of an index, eventually consistent; `upto` bounds a numeric sort
        key. The items hold the index's own keys and no other attributes.
        """
        ...

    def write(self, *changes: Change) -> None:
        """Make all the changes or none.

        Raises ConditionFailed; Contended when other writers were in the way each time.
        """
        ...


class Queue(Protocol):
    """The task queue."""

    def send(self, message: Message, *, delay_seconds: int = 0) -> None:
        """Send a message, to be seen after the delay (at most 900 s)."""
        ...

    def hide(self, receipt: str, seconds: int) -> None:
        """Let a received message come back after that time."""
        ...


class TokenGone(Exception):
    """The token can't be answered any more: its attempt timed out, or its execution ended."""


class Tokens(Protocol):
    """Answers to Step Functions' task tokens. All raise TokenGone."""

    def succeed(self, token: str, output: str) -> None: ...

    def fail(self, token: str, error: str, cause: str) -> None: ...


class Refused(Exception):
    """Step Functions will never take this request; the message says why."""


@dataclass(frozen=True)
class Execution:
    """How an execution stands: Step Functions' status, and its output or its error."""

    status: str
    output: str | None = None
    error: str | None = None
    cause: str | None = None


class Machines(Protocol):
    """State machines and their executions; an execution is named like its session."""

    def arn_of(self, name: str) -> str:
        """The ARN that the machine of that name has, or would have."""
        ...

    def create(self, name: str, definition: str) -> str:
        """The ARN of the machine of that name; creating it twice is one. Raises Refused."""
        ...

    def delete(self, machine_arn: str) -> None:
        """Delete a machine, there or not. What runs on it would end."""
        ...

    def exists(self, machine_arn: str) -> bool:
        """Whether executions of the machine can be started."""
        ...

    def start(self, machine_arn: str, name: str, execution_input: str) -> None:
        """Start an execution; one that exists with the same input is a success. Raises Refused."""
        ...

    def stop(self, machine_arn: str, name: str, error: str, cause: str) -> bool:
        """Stop an execution, if it still runs; False if there is none."""
        ...

    def describe(self, machine_arn: str, name: str) -> Execution | None:
        """How the execution stands; None if there is none."""
        ...


class Delivered(Enum):
    """What became of handing a task to an agent."""

    ACCEPTED = auto()
    UNANSWERED = auto()
    """Bytes went out and no answer came: the agent may well have it."""
    REFUSED = auto()
    """This agent does not take this task; another may."""
    GONE = auto()
    """The agent is not there."""
    NOT_SENT = auto()
    """Nothing reached anyone; the same may succeed later."""


class Transport(Protocol):
    """A way of handing a task to an agent.

    `shared`: one gateway serves all agents, so that when nothing can be sent to one, nothing can be
    sent to any.
    """

    shared: bool

    def deliver(self, agent: Agent, attempt: Attempt, timeout_seconds: float) -> Delivered: ...


@dataclass(frozen=True)
class ListedAgent:
    """An agent as AgentKit's list has it."""

    agent_id: str
    agent_name: str
    version: str
    capabilities: tuple[str, ...]
    contact_endpoint: str


class AgentDirectory(Protocol):
    """Another system's list of agents."""

    def agents(self) -> Sequence[ListedAgent]:
        """Those listed; none where no list is offered. Raises DependencyFailed."""
        ...


class Clock(Protocol):
    """Milliseconds since the epoch, by our clock."""

    def __call__(self) -> int: ...
