"""Steps that no agent does: their attempts wait for a person, a signal or another session."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opscore.models.messages import ApprovalMessage, SignalMessage, TaskMessage, WorkflowMessage
from opscore.models.outcome import Outcome
from opscore.models.task import Attempt, AttemptStatus, Task
from opscore.observability import note
from opscore.ports import Change, Clock, Store
from opscore.records.tasks import Tasks, Work
from opscore.services.child_start import ChildStart, NoChild
from opscore.services.children import Children
from opscore.services.outcomes import Outcomes
from opscore.services.recording import Recording
from opscore.services.signals import Signals

RECHECK_MS = 60_000
"""When the sweeper looks whether what follows the record was done."""


class Waits:
    """Puts such attempts on record as waiting, and ends those whose time is over."""

    def __init__(
        self,
        store: Store,
        tasks: Tasks,
        outcomes: Outcomes,
        signals: Signals,
        children: Children,
        child_start: ChildStart,
        recording: Recording,
        watch: Callable[[Attempt], None],
        clock: Clock,
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._outcomes = outcomes
        self._signals = signals
        self._children = children
        self._child_start = child_start
        self._recording = recording
        self._watch = watch
        self._clock = clock

    def begin(self, attempt: Attempt, work: Work) -> None:
        """Have the attempt wait, and whatever it waits for begin, in one write.

        Raises ConditionFailed when another worker was faster.
        """
        now = self._clock()
        deadline = now + round(attempt.message.timeout * 1000)
        waiting = attempt.replace(
            status=AttemptStatus.WAITING,
            deadline=deadline,
            due_at=min(deadline, now + RECHECK_MS),
        )
        try:
            waiting, more = self._with_cause(waiting, work)
        except NoChild as refusal:
            self._outcomes.refuse(attempt, work.task, refusal.outcome)
            return
        record, task_changes = self._tasks.recorded(attempt, work.task)
        self._store.write(self._tasks.put(waiting), *task_changes, *more)
        note("step waits", kind=attempt.message.kind)
        self._watch(waiting)
        self.go_on(waiting.replace(rev=attempt.rev + 1), record)

    def _with_cause(self, waiting: Attempt, work: Work) -> tuple[Attempt, Sequence[Change]]:
        match waiting.message:
            case SignalMessage():
                return waiting, self._signals.joined(waiting)
            case WorkflowMessage():
                assert work.session is not None
                return self._child_start.born(waiting, work.session)
            case ApprovalMessage() | TaskMessage():
                return waiting, ()

    def go_on(self, attempt: Attempt, task: Task | None) -> None:
        """What a waiting attempt calls for; safe to repeat."""
        self._supersede_earlier(attempt, task)
        match attempt.message:
            case SignalMessage(signal=name):
                self._signals.match(attempt.session_id, name)
            case WorkflowMessage():
                self._child_start.launch(attempt)
            case ApprovalMessage() | TaskMessage():
                pass

    def _supersede_earlier(self, attempt: Attempt, task: Task | None) -> None:
        """A task has one live token: when its parallel failed and is tried again, nobody told us
        that the token before is dead.
        """
        known = () if task is None else task.attempts
        before = known.index(attempt.attempt_id) - 1 if attempt.attempt_id in known else -1
        earlier = self._tasks.attempt(known[before]) if before >= 0 else None
        if earlier is not None and _age(earlier) < _age(attempt):
            self._children.supersede(earlier)

    def end(self, attempt: Attempt, outcome: Outcome) -> bool:
        """End an attempt of any kind by an outcome of our own; a child session ends with it. False
        if the attempt has changed since it was read.
        """
        return self._children.end(attempt, outcome)

    def settle(self, session_id: str) -> None:
        """Tidy up after a session that may have ended. Raises Contended, DependencyFailed."""
        self._recording.reconcile(session_id)


def _age(attempt: Attempt) -> tuple[int, int, int]:
    """Which of a task's attempts Step Functions made first, in whatever order they came."""
    return attempt.asked_at, attempt.message.route, attempt.message.retry
