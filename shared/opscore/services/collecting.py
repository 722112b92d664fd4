"""State machines that nobody needs any more are deleted."""

from __future__ import annotations

from opscore.models.workflow import MachinePair
from opscore.observability import note
from opscore.ports import Clock, Machines, Store
from opscore.records.machines import MachineRecords
from opscore.records.sessions import Sessions
from opscore.records.workflows import Workflows

RECHECK_MS = 3_600_000
"""How long machines are left alone that a session still needs."""

RETRY_MS = 60_000


class Collector:
    """Looks at machines that are due."""

    def __init__(
        self,
        store: Store,
        records: MachineRecords,
        workflows: Workflows,
        sessions: Sessions,
        machines: Machines,
        clock: Clock,
    ) -> None:
        self._store = store
        self._records = records
        self._workflows = workflows
        self._sessions = sessions
        self._machines = machines
        self._clock = clock

    def look(self, name: str) -> None:
        """Delete the machines, unless they are a current version's or a session is open on them.
        That they are being deleted is written first: from then on nobody starts on them. Sessions
        are found by an index that lags; but what was used within half a day is not due.

        Raises ConditionFailed when somebody needs them after all, DependencyFailed.
        """
        pair, now = self._records.get(name), self._clock()
        if pair is None or pair.due_at is None or pair.due_at > now:
            return
        if not pair.deleting:
            head = self._workflows.current(pair.workflow_id)
            if head is not None and head.machine_arn == pair.machine_arn:
                self._write(pair.replace(due_at=None))
                return
            if self._sessions.open_on(pair.machine_arn):
                self._write(pair.replace(due_at=now + RECHECK_MS))
                return
            pair = self._write(pair.replace(deleting=True, due_at=now + RETRY_MS))
        for arn in (pair.machine_arn, pair.cleanup_arn):
            if arn is not None:
                self._machines.delete(arn)
        self._store.write(self._records.gone(pair))
        note("state machine collected", machine=name, workflow_id=pair.workflow_id)

    def _write(self, pair: MachinePair) -> MachinePair:
        self._store.write(self._records.put(pair))
        return pair.replace(rev=pair.rev + 1)
