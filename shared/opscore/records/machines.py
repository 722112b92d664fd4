"""How state machines lie in the workflows table, from before they are made to after their end."""

from __future__ import annotations

from opscore.models.workflow import MachinePair, WorkflowVersion
from opscore.ports import Change, Delete, Put, Store, Upsert
from opscore.records import keys
from opscore.records.codec import decode, encode


class MachineRecords:
    """Reads machines, and makes the changes that write them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, name: str) -> MachinePair | None:
        item = self._store.get(keys.machine(name))
        return None if item is None else decode(MachinePair, item)

    def put(self, pair: MachinePair) -> Put:
        """The machines, if nobody wrote them since they were read."""
        item = encode(pair) | keys.due(pair.name, pair.due_at)
        return Put(keys.machine(pair.name), item, rev=pair.rev)

    def retired(self, version: WorkflowVersion, at: int) -> list[Change]:
        """The machines of a version that is current no more, to be looked at then."""
        if version.machine_arn is None:
            return []
        pair = MachinePair(
            name=keys.machine_name(version.machine_arn),
            workflow_id=version.workflow_id,
            machine_arn=version.machine_arn,
            cleanup_arn=version.cleanup_arn,
            made=True,
        )
        known = {name: value for name, value in encode(pair).items() if name != "rev"}
        return [Upsert(keys.machine(pair.name), keys.due(pair.name, at), initial=known)]

    def gone(self, pair: MachinePair) -> Delete:
        """No such machines any more, unless somebody wrote them since they were read."""
        return Delete(keys.machine(pair.name), expect={"rev": pair.rev})
