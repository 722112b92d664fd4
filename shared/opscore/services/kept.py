"""The tasks of a rerun whose results were made before: answered at once, without an agent."""

from __future__ import annotations

from opscore.lifecycle.reruns import first_time, kept
from opscore.models.messages import Phase
from opscore.models.task import Attempt, Origin
from opscore.observability import note
from opscore.ports import Store
from opscore.records.tasks import Tasks, Work
from opscore.services.outcomes import Outcomes


class KeptResults:
    """Finds and gives kept results: one read for each task of a rerun, one more for each result."""

    def __init__(self, store: Store, tasks: Tasks, outcomes: Outcomes) -> None:
        self._store = store
        self._tasks = tasks
        self._outcomes = outcomes

    def answer(self, attempt: Attempt, work: Work) -> bool:
        """End the attempt with the result that its session keeps of this task, if it keeps one.

        Raises ConditionFailed when another worker has the attempt.
        """
        rerun = None if work.session is None else work.session.rerun
        if rerun is None or attempt.message.phase is Phase.AFTER:
            return False
        if not first_time(work.task, attempt.attempt_id):
            return False
        sessions = [keep.session_id for keep in rerun.keeps]
        task = kept(rerun, self._tasks.in_sessions(sessions, attempt.message.task_key))
        made = None if task is None else self._tasks.attempt(task.attempts[-1])
        if made is None or made.outcome is None:
            return False  # expired meanwhile
        origin = Origin(session_id=made.session_id, attempt_id=made.attempt_id)
        known = attempt.replace(kept_from=made.kept_from or origin)
        _, task_changes = self._tasks.recorded(known, work.task)
        self._store.write(self._tasks.put(known), *task_changes)
        note("result kept", made_in=origin.session_id)
        self._outcomes.end(known.replace(rev=attempt.rev + 1), made.outcome)
        return True
