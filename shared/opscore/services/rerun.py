"""An ended session runs again, as a new one, and the results that it made are kept.

The new session runs its whole state machine; the dispatcher answers the tasks whose results are
kept. So it works alike inside branches, maps and loops.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opscore.errors import (
    AgentNotFound,
    Contended,
    DefinitionGone,
    KeptTaskChanged,
    NothingFailed,
    SessionNotFinal,
    SessionNotFound,
    TaskNotFound,
)
from opscore.lifecycle.reruns import called, cut, ended_by, keys_kept, line_of, marked_with, undone
from opscore.lifecycle.sessions import FINAL
from opscore.models.session import Onto, Rerun, Session, SessionStatus
from opscore.models.task import Task
from opscore.models.workflow import WorkflowVersion
from opscore.observability import bind
from opscore.ports import Change, Check, ConditionFailed
from opscore.records import keys
from opscore.records.codec import text
from opscore.records.sessions import Sessions
from opscore.records.tasks import Tasks
from opscore.services import TRIES
from opscore.services.judging import check_input
from opscore.services.launching import Launch, OnceOnly
from opscore.services.making import Making
from opscore.services.workflows import WorkflowService

SAME, CURRENT = "same", "current"
"""The version that the session ran, and the newest; others by their numbers."""


@dataclass(frozen=True)
class RerunRequest:
    """Which session, from which tasks (keys, or steps; none: what failed), on which version."""

    session_id: str
    from_tasks: tuple[str, ...] = ()
    onto: Onto | None = None
    version: str | int = SAME

    def digest(self) -> str:
        """The same for the same request."""
        onto = None if self.onto is None else self.onto.model_dump(mode="json")
        parts = ["rerun", self.session_id, self.from_tasks, onto, self.version]
        return hashlib.sha256(text(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Machinery:
    """A version, the machines that it became, and what it can undo."""

    version: int
    machine_arn: str | None
    cleanup_arn: str | None
    compensated: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What a rerun will be: of which session, on which machines, and the tasks kept."""

    old: Session
    machinery: Machinery
    rerun: Rerun
    kept: Sequence[Task]


Settle = Callable[[str], Sequence[Change]]
"""The id of the new session, to what is written with it."""


class RerunService:
    """Plans reruns and begins them."""

    def __init__(
        self,
        sessions: Sessions,
        tasks: Tasks,
        workflows: WorkflowService,
        making: Making,
        launch: Launch,
    ) -> None:
        self._sessions = sessions
        self._tasks = tasks
        self._workflows = workflows
        self._making = making
        self._launch = launch

    def start(self, request: RerunRequest, idempotency_key: str | None) -> tuple[Session, Plan]:
        """The new session. The same request with the same Idempotency-Key is the same session.

        Raises what `plan` and `begin` do, and Contended.
        """
        once = None
        if idempotency_key is not None:
            once = OnceOnly(idempotency_key, request.digest())
        for _ in range(TRIES):
            plan = self.plan(request)
            try:
                return self.begin(plan, once), plan
            except ConditionFailed:
                continue  # the old session changed
        raise Contended("the session keeps changing; try again")

    def plan(self, request: RerunRequest) -> Plan:
        """What the rerun would be, with nothing done yet.

        Raises SessionNotFound, SessionNotFinal, NothingFailed, TaskNotFound, DefinitionGone,
        WorkflowNotFound, KeptTaskChanged, InputInvalid.
        """
        bind(session_id=request.session_id)
        old = self._sessions.get(request.session_id)
        if old is None:
            raise SessionNotFound(request.session_id)
        if old.status not in FINAL:
            raise SessionNotFinal(
                f"the session is {old.status}; it can run again when it has ended"
            )
        line = line_of(old)
        tasks = {keep.session_id: self._tasks.of_session(keep.session_id) for keep in line}
        rerun = self._rerun(old, tasks, request)
        kept = keys_kept(rerun, tasks)
        return Plan(old, self._machinery(old, request.version, kept), rerun, kept)

    def _rerun(self, old: Session, tasks: dict[str, list[Task]], request: RerunRequest) -> Rerun:
        keeps = line_of(old)
        failed = {task.task_key for task in ended_by(old, tasks[old.session_id])}
        gone = tuple(task.task_key for task in undone(old, tasks[old.session_id]))
        if not request.from_tasks and old.status is SessionStatus.COMPLETED:
            raise NothingFailed("the session completed; say from which task it shall run again")
        for name in (*request.from_tasks, *gone):
            found = {one: called(name, known) for one, known in tasks.items()}
            meant = [task for known in found.values() for task in known]
            if not meant:
                raise TaskNotFound(f"{name} in session {old.session_id}")
            if {task.task_key for task in meant} <= failed:
                continue  # nothing came of it: all that was made is kept
            asked = {
                one: min(self._tasks.first_asked(task) for task in known)
                for one, known in found.items()
                if known
            }
            keeps = cut(keeps, asked)
        return Rerun(
            of=old.session_id,
            from_tasks=tuple(dict.fromkeys((*(request.from_tasks or sorted(failed)), *gone))),
            keeps=keeps,
            onto=request.onto,
        )

    def _machinery(self, old: Session, wanted: str | int, kept: Sequence[Task]) -> Machinery:
        """What the new session runs on; machines that are gone are made again."""
        number = old.workflow_version
        if wanted not in (SAME, number):
            if number == 0:
                raise DefinitionGone(
                    "the session ran a definition of its own, which has no versions"
                )
            return self._other_version(old, None if wanted == CURRENT else int(wanted), kept)
        run = Machinery(number, old.machine_arn, old.cleanup_arn, old.compensated)
        if number == 0 and not self._there(run):
            raise DefinitionGone(
                "the session ran a definition of its own, whose state machine is gone; "
                "start it anew with the definition"
            )
        return run if self._there(run) else self._made_again(old.workflow_id, number)

    def _other_version(self, old: Session, wanted: int | None, kept: Sequence[Task]) -> Machinery:
        version = self._workflows.get(old.workflow_id, wanted)
        number = old.workflow_version
        if version.version != number:
            steps = list(dict.fromkeys(task.task_id for task in kept))
            changed = self._workflows.changed_steps(old.workflow_id, number, version, steps)
            if changed:
                raise KeptTaskChanged(
                    f"version {version.version} has other steps than version {number}, of which "
                    f"results would be kept: {', '.join(changed)}; run again from the first of "
                    "them (fromTask), or on the same version"
                )
            check_input(version, json.loads(old.execution_input)["input"])
        run = _machinery_of(version)
        return run if self._there(run) else self._made_again(old.workflow_id, version.version)

    def _there(self, run: Machinery) -> bool:
        return run.machine_arn is None or self._making.held(run.machine_arn)

    def _made_again(self, workflow_id: str, number: int) -> Machinery:
        return _machinery_of(self._workflows.rebuilt(workflow_id, number))

    def begin(self, plan: Plan, once: OnceOnly | None, settle: Settle | None = None) -> Session:
        """Write the new session, its mark in the old one and what else is settled by it, all or
        none; start it.

        Raises ConditionFailed (something has changed since it was read), AgentNotFound,
        IdempotencyKeyReused, DependencyFailed.
        """
        old = plan.old
        payload = json.loads(old.execution_input)["input"]
        runs = plan.machinery
        new = self._launch.new(
            old.workflow_id, runs.version, runs.machine_arn, payload, old.agent_id
        ).replace(cleanup_arn=runs.cleanup_arn, compensated=runs.compensated, rerun=plan.rerun)
        settled = [] if settle is None else settle(new.session_id)
        marked = marked_with(old, new.session_id, replay=settle is not None)
        onto = plan.rerun.onto
        agents = sorted({old.agent_id, None if onto is None else onto.agent_id} - {None}, key=str)
        checks = [Check(keys.agent(str(agent))) for agent in agents]
        try:
            return self._launch.begin(new, once, *checks, self._sessions.put(marked), *settled)
        except ConditionFailed as refusal:
            for agent in (agents[i] for i in refusal.failed if i < len(agents)):
                raise AgentNotFound(str(agent)) from None
            raise


def _machinery_of(version: WorkflowVersion) -> Machinery:
    return Machinery(version.version, version.machine_arn, version.cleanup_arn, version.compensated)
