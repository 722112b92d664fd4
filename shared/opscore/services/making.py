"""State machines are made when they are first needed, and kept while somebody may start on them."""

from __future__ import annotations

import hashlib

from opscore.errors import Contended, DependencyFailed
from opscore.models.workflow import MachinePair
from opscore.ports import Clock, ConditionFailed, Machines, Store
from opscore.records import keys
from opscore.records.machines import MachineRecords
from opscore.services import TRIES

KEPT_MS = 24 * 3600 * 1000
"""How long machines stay after their last use; half of it is far more than a start takes."""

Arns = tuple[str, str | None]


class Making:
    """Makes machines, on record first: so that none is left that nobody knows of."""

    def __init__(
        self, store: Store, records: MachineRecords, machines: Machines, clock: Clock
    ) -> None:
        self._store = store
        self._records = records
        self._machines = machines
        self._clock = clock

    def made(self, workflow_id: str, version: int, definition: str, cleanup: str | None) -> Arns:
        """The ARNs of a definition's machine and of its cleanup's; the same again are the same. No
        one collects them within the next half day.

        Raises Refused, DependencyFailed, Contended.
        """
        content = "\n".join((workflow_id, str(version), definition, cleanup or ""))
        name = hashlib.sha256(content.encode()).hexdigest()[:32]
        machine_arn = self._machines.arn_of(name)
        cleanup_arn = None if cleanup is None else self._machines.arn_of(f"{name}-after")
        pair = self._kept(
            MachinePair(
                name=keys.machine_name(machine_arn),
                workflow_id=workflow_id,
                machine_arn=machine_arn,
                cleanup_arn=cleanup_arn,
            )
        )
        if not pair.made:
            self._machines.create(name, definition)
            if cleanup is not None:
                self._machines.create(f"{name}-after", cleanup)
            self._kept(pair.replace(made=True))
        return machine_arn, cleanup_arn

    def held(self, machine_arn: str) -> bool:
        """Whether the machine is there, and will be for the next half day.

        Raises DependencyFailed, Contended.
        """
        name = keys.machine_name(machine_arn)
        for _ in range(TRIES):
            known = self._records.get(name)
            if known is None:
                return self._machines.exists(machine_arn)  # made before machines were on record
            now = self._clock()
            if known.deleting or not known.made or _stays(known, now):
                return known.made and not known.deleting
            try:
                self._store.write(self._records.put(known.replace(due_at=now + KEPT_MS)))
            except ConditionFailed:
                continue
            return True
        raise Contended("others keep changing the state machine's record; try again")

    def _kept(self, wanted: MachinePair) -> MachinePair:
        """The machines as they are on record, where they stay for a while from now on."""
        for _ in range(TRIES):
            known = self._records.get(wanted.name)
            if known is not None and known.deleting:
                raise DependencyFailed("its state machine is being collected just now; try again")
            now = self._clock()
            if known is not None and known.made >= wanted.made and _stays(known, now):
                return known
            pair = wanted if known is None else known.replace(made=known.made or wanted.made)
            try:
                self._store.write(self._records.put(pair.replace(due_at=now + KEPT_MS)))
            except ConditionFailed:
                continue
            return pair
        raise Contended("others keep changing the state machine's record; try again")


def _stays(pair: MachinePair, now: int) -> bool:
    return pair.due_at is None or pair.due_at - now > KEPT_MS // 2
