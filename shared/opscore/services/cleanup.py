"""After a bad end: what is open is closed, and a second execution undoes and tells."""

from __future__ import annotations

from opscore.lifecycle.cleanup import cleanup_input, cleanup_name
from opscore.models.messages import Phase
from opscore.models.session import Session
from opscore.models.task import AttemptStatus
from opscore.observability import note, warn
from opscore.ports import Execution, Machines
from opscore.records.tasks import Tasks
from opscore.services.children import Children
from opscore.services.outcomes import Outcomes

SETTLED = (AttemptStatus.CLOSED, AttemptStatus.COMPLETING)
"""COMPLETING: whoever decided it, or the sweeper, closes it."""


class Cleanup:
    """Starts second executions, looks at them, stops them. Every step is safe to repeat."""

    def __init__(
        self, tasks: Tasks, outcomes: Outcomes, children: Children, machines: Machines
    ) -> None:
        self._tasks = tasks
        self._outcomes = outcomes
        self._children = children
        self._machines = machines

    def begin(self, session: Session) -> None:
        """Close what the first execution has left open, and start the second with all results on
        record. The first execution must have ended.

        Raises Refused, Contended, DependencyFailed.
        """
        assert session.cleanup_arn is not None
        self.close(session.session_id, Phase.MAIN)
        tasks = self._tasks.of_session(session.session_id)
        told, omitted = cleanup_input(session, tasks, self._tasks.attempts_of(tasks))
        if omitted:
            warn("results too large for the cleanup", tasks=omitted)
        self._machines.start(session.cleanup_arn, cleanup_name(session.session_id), told)
        note("cleanup started")

    def close(self, session_id: str, *phases: Phase) -> None:
        """Close the session's attempts of those phases that are open, cancel their children.

        Raises Contended.
        """
        tasks = self._tasks.of_session(session_id)
        for attempt in self._tasks.attempts_of(tasks).values():
            if attempt.message.phase not in phases or attempt.status in SETTLED:
                continue
            if attempt.status is AttemptStatus.WAITING:
                self._children.supersede(attempt)
            else:
                self._outcomes.supersede(attempt)

    def execution(self, session: Session) -> Execution | None:
        """How the second execution stands; None if there is none."""
        assert session.cleanup_arn is not None
        return self._machines.describe(session.cleanup_arn, cleanup_name(session.session_id))

    def stop(self, session: Session) -> bool:
        """Stop the second execution; False if there is none."""
        assert session.cleanup_arn is not None
        name = cleanup_name(session.session_id)
        return self._machines.stop(session.cleanup_arn, name, "Stopped", "stopped by a person")
