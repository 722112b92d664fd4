"""How policies lie in the agents table: the policy, its place in the list, its counters and
buckets. Each counter and bucket has a partition of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from opscore.lifecycle.limits import Opening, buckets_for
from opscore.models.policy import Bucket, Policy, PolicyKind, Subject
from opscore.ports import (
    Add,
    Change,
    Delete,
    Item,
    Key,
    Page,
    Put,
    Scalar,
    Store,
    Table,
    Update,
)
from opscore.records import keys
from opscore.records.codec import decode, encode
from opscore.records.paging import Listing, walk
from opscore.records.waiting import Waiting


@dataclass(frozen=True)
class Measured:
    """How much of a policy is used up. `queued`: its waiting lists may hold tasks."""

    policy: Policy
    used: list[int]
    buckets: list[Bucket]
    queued: bool


class Policies:
    """Reads policies, and makes the changes that write them."""

    def __init__(self, store: Store, waiting: Waiting) -> None:
        self._store = store
        self._waiting = waiting

    def of(self, subjects: Iterable[Subject]) -> tuple[Policy, ...]:
        """The policies of those subjects that have one."""
        wanted = tuple(subjects)
        found = self._store.get_many([keys.policy(str(subject)) for subject in wanted])
        return found_policies(wanted, found)

    def get(self, subject: Subject) -> Policy | None:
        item = self._store.get(keys.policy(str(subject)))
        return None if item is None else decode(Policy, item)

    def measured(self, policies: Sequence[Policy]) -> list[Measured]:
        """How much of each policy is used up, in one request."""
        parts = [self._parts(policy) for policy in policies]
        found = self._store.get_many([key for of_one in parts for key in of_one])
        return [
            _measured(policy, of_one, found) for policy, of_one in zip(policies, parts, strict=True)
        ]

    def _parts(self, policy: Policy) -> list[Key]:
        counters = 0 if policy.max_concurrent is None else policy.counters
        return [
            *(keys.counter(slot(policy, number)) for number in range(counters)),
            *(
                keys.bucket(str(policy.subject), number)
                for number in range(buckets_for(policy.rate_per_second))
            ),
            *(keys.flag(name) for name in self._waiting.policy_lists(policy.subject)),
        ]

    def put(self, policy: Policy) -> list[Change]:
        """The policy, if nobody wrote it since it was read, and its place in the list."""
        entry = keys.policy_entry(str(policy.subject))
        return [
            Put(keys.policy(str(policy.subject)), encode(policy), rev=policy.rev),
            Delete(entry) if policy.empty else Put(entry, {}, rev=None),
        ]

    def taken(self, policy: Policy, opening: Opening) -> Add:
        """A slot of a counter, while it has one."""
        return Add(keys.counter(slot(policy, opening.counter)), "used", 1, opening.below)

    def let_through(self, policy: Policy, number: int, bucket: Bucket, due_at: int) -> Change:
        """A task of a bucket, if nobody took one since it was read."""
        key = keys.bucket(str(policy.subject), number)
        if bucket.due_at is None:
            return Put(key, {"dueAt": due_at}, rev=0)
        return Update(key, {"dueAt": due_at}, expect={"dueAt": bucket.due_at})

    def look_set(self, policy: Policy, bucket: Bucket, at: int) -> Update:
        """The next look at the policy's waiting list, if nobody has set it since."""
        return Update(
            keys.bucket(str(policy.subject), 0),
            {"lookAt": at},
            expect={"lookAt": bucket.look_at},
        )

    def listed(self, *, kind: PolicyKind | None, limit: int, cursor: str | None) -> Listing[Policy]:
        """A page of the policies that ask for something, by kind and name."""
        prefix = "" if kind is None else f"{kind}#"

        def read(partition: str, limit: int, after: Mapping[str, Scalar] | None) -> Page:
            return self._store.query(
                Table.AGENTS, partition, limit=limit, prefix=prefix, after=after
            )

        pages, next_cursor = walk(
            f"policies/{kind}", [keys.POLICIES], read, limit=limit, cursor=cursor
        )
        names = [key.sk.split("#") for page in pages for key, _ in page.items]
        return Listing(self.of(Subject(PolicyKind(k), name) for k, name in names), next_cursor)


def found_policies(subjects: Iterable[Subject], found: Mapping[Key, Item]) -> tuple[Policy, ...]:
    """The policies among items, in the order of their subjects."""
    wanted = [keys.policy(str(subject)) for subject in subjects]
    return tuple(decode(Policy, found[key]) for key in wanted if key in found)


def _measured(policy: Policy, parts: Sequence[Key], found: Mapping[Key, Item]) -> Measured:
    def kind(name: str) -> list[Item]:
        return [found.get(key, {}) for key in parts if key.sk == name]

    return Measured(
        policy,
        [int(item.get("used") or 0) for item in kind("counter")],
        [decode(Bucket, item) for item in kind("bucket")],
        queued=any(kind("flag")),
    )


def slot(policy: Policy, number: int) -> str:
    """The name of a counter: what an attempt keeps of a slot that it took."""
    return f"{policy.subject}#{number}"


def given_back(slots: Iterable[str]) -> list[Change]:
    """The slots of an attempt that ends, or is taken back. Unconditional: what it is written with
    happens once.
    """
    return [Add(keys.counter(name), "used", -1) for name in slots]
