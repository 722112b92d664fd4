"""What the dispatcher does with each message of the task queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from opscore.errors import SettingError
from opscore.lifecycle.agents import settled
from opscore.lifecycle.attempts import fresh, overdue
from opscore.lifecycle.limits import subjects
from opscore.lifecycle.reruns import routed
from opscore.models.agent import Agent
from opscore.models.messages import (
    AnyStep,
    ApprovalMessage,
    AttemptMessage,
    DeadlineMessage,
    Message,
    ReconsiderMessage,
    ResumeMessage,
    RoomMessage,
    SettleMessage,
    SignalMessage,
    StepMessage,
    TaskMessage,
    WakeMessage,
)
from opscore.models.outcome import Outcome, TaskError
from opscore.models.policy import Policy
from opscore.models.task import Attempt, AttemptStatus, Task
from opscore.observability import bind, warn
from opscore.ports import Clock, ConditionFailed, Queue, Store
from opscore.records.agents import Agents
from opscore.records.tasks import Tasks, Work
from opscore.records.waiting import WaitingEntry, session_list
from opscore.services import TRIES
from opscore.services.admission import Admission, Grant
from opscore.services.candidates import Candidates
from opscore.services.gateways import Gateways
from opscore.services.handover import UNSENT_RECHECK_MS, Handed, Handover, sending_until
from opscore.services.kept import KeptResults
from opscore.services.lookout import Lookout
from opscore.services.outcomes import Outcomes
from opscore.services.parking import Parking, is_paused, may_run
from opscore.services.waits import Waits
from opscore.services.wakeups import Wakeups

TIMED = (
    AttemptStatus.PARKED,
    AttemptStatus.WAITING,
    AttemptStatus.SENT,
    AttemptStatus.RUNNING,
)
"""An attempt whose time runs, of waiting or of working."""


class NotNow(Exception):
    """The message must come back: after `seconds`, or in the queue's own growing time if None."""

    def __init__(self, seconds: int | None, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


@dataclass(frozen=True)
class Envelope:
    """What the queue says of a message: when it was sent first (ms), and how long this record may
    take to be delivered.
    """

    sent_at: int
    limit_seconds: float


class Dispatcher:
    """Takes messages one at a time; safe to repeat, in any order."""

    def __init__(
        self,
        store: Store,
        agents: Agents,
        tasks: Tasks,
        queue: Queue,
        lookout: Lookout,
        gateways: Gateways,
        candidates: Candidates,
        parking: Parking,
        admission: Admission,
        handover: Handover,
        kept: KeptResults,
        waits: Waits,
        outcomes: Outcomes,
        wakeups: Wakeups,
        clock: Clock,
    ) -> None:
        self._store = store
        self._agents = agents
        self._tasks = tasks
        self._queue = queue
        self._lookout = lookout
        self._gateways = gateways
        self._candidates = candidates
        self._parking = parking
        self._admission = admission
        self._handover = handover
        self._kept = kept
        self._waits = waits
        self._outcomes = outcomes
        self._wakeups = wakeups
        self._clock = clock

    def take(self, message: Message, envelope: Envelope) -> None:
        """Do what a message asks for; returning means that it is done with.

        Raises NotNow, DependencyFailed, Contended: let it come back.
        """
        match message:
            case StepMessage():
                self._step(message, envelope)
            case AttemptMessage(attempt_id=attempt_id):
                attempt = self._tasks.attempt(attempt_id)
                if attempt is not None:
                    self._step(attempt.message, envelope)
            case DeadlineMessage(attempt_id=attempt_id, fence=fence):
                self.deadline(attempt_id, fence)
            case WakeMessage(agent_id=agent_id, lists=lists):
                self._wake(agent_id, lists, envelope)
            case ReconsiderMessage(agent_id=agent_id, at=at):
                self._reconsider(agent_id, at)
            case ResumeMessage(session_id=session_id):
                self._resume(session_id)
            case SettleMessage(session_id=session_id):
                self._waits.settle(session_id)
            case RoomMessage():
                self._admission.let_through(message.subject, message.look_at)

    def _step(self, message: AnyStep, envelope: Envelope) -> None:
        bind(session_id=message.session_id, task_id=message.attempt_id, step=message.task_id)
        for _ in range(TRIES):
            now = self._clock()
            work = self._work(message)
            wanted = routed(message, work.session)
            if wanted.capability != message.capability:
                work = self._work(wanted)  # under the policies of where it goes
            attempt = work.attempt or fresh(wanted, work.task, envelope.sent_at, now)
            try:
                self._go_on(attempt, work, envelope)
            except ConditionFailed:
                continue  # another worker moved the attempt: look where it stands now
            return
        raise NotNow(None, "the attempt keeps changing")

    def _work(self, message: StepMessage) -> Work:
        under = subjects(message.workflow_id, message.capability)
        return self._tasks.work(message.attempt_id, message.session_id, message.task_key, under)

    def _go_on(self, attempt: Attempt, work: Work, envelope: Envelope) -> None:
        match attempt.status:
            case AttemptStatus.RECEIVED:
                self._receive(attempt, work, envelope)
            case AttemptStatus.SENDING:
                self._take_over(attempt, envelope)
            case AttemptStatus.WAITING:
                self._waits.go_on(attempt, work.task)
            case _:
                return

    def _receive(self, attempt: Attempt, work: Work, envelope: Envelope) -> None:
        """Find an agent for an attempt that nobody has, unless its session or its own words forbid;
        or have it wait for what is no agent's.

        Raises ConditionFailed when another worker has the attempt.
        """
        message = attempt.message
        if not may_run(attempt, work):
            self._drop(attempt, work)
        elif is_paused(work) and not isinstance(message, ApprovalMessage | SignalMessage):
            self._parking.hold(attempt, work.task)
        elif self._kept.answer(attempt, work):
            pass
        elif not isinstance(message, TaskMessage):
            self._waits.begin(attempt, work)
        elif message.agent_id is None and message.agent_capability is None:
            nobody = "the task names no agent and no capability, and its session has no agent"
            failure = Outcome.failure(TaskError.DISPATCH_FAILED, nobody)
            self._outcomes.refuse(attempt, work.task, failure)
        else:
            self._assign(attempt, work, envelope)
            return
        self._admission.pass_on(attempt, work.policies)

    def _assign(self, attempt: Attempt, work: Work, envelope: Envelope) -> None:
        """Hand the attempt to an agent, or let it wait for one, or for a policy."""
        task = work.task
        but = set[str]()
        unsent: Exception | None = None
        lost = 0
        until = self._clock() + round(envelope.limit_seconds * 1000)
        for _ in range(2 * TRIES):
            grant = self._admission.ask(attempt, work.policies)
            if isinstance(grant, Policy):
                self._stand_behind(attempt, task, work, grant)
                return
            agent = self._candidates.find(attempt, task, but, lost)
            if agent is None and unsent is not None:
                raise unsent
            if agent is None and attempt.status is AttemptStatus.PARKED:
                self._handover.watch(attempt)
                self._admission.pass_on(attempt, work.policies)
                return
            if agent is None:
                # Written first, then looked again: an agent that became free in between is seen.
                attempt, task = self._parking.park(attempt, task)
                continue
            try:
                claim = self._claim(attempt, task, agent, envelope, grant)
            except SettingError as error:
                # The deployment can't reach this agent; others must not have to wait for it.
                but.add(agent.agent_id)
                unsent = error
                continue
            if claim is None:
                lost += 1
                continue
            claimed, task = claim
            handed = self._handover.deliver(claimed, agent, envelope.limit_seconds)
            found = self._still_to_send(handed, attempt.attempt_id)
            if found is None:
                return
            if self._clock() >= until:
                raise NotNow(None, "the agents asked so far took all the time there was")
            but.add(agent.agent_id)
            refused = agent.agent_id in found.refused_by
            unsent = unsent if refused else NotNow(None, "nothing could be sent to any free agent")
            attempt = found
        raise NotNow(None, "agents were taken by others each time")

    def _still_to_send(self, handed: Handed, attempt_id: str) -> Attempt | None:
        """The attempt as it stands, if it is for another agent. Raises NotNow if nothing can be
        sent to any.
        """
        if handed is Handed.AWAY:
            raise NotNow(None, "nothing can be sent")
        found = None if handed is Handed.DONE else self._tasks.attempt(attempt_id)
        return found if found is not None and found.status is AttemptStatus.RECEIVED else None

    def _stand_behind(
        self, attempt: Attempt, task: Task | None, work: Work, policy: Policy
    ) -> None:
        self._handover.watch(self._admission.stand_behind(attempt, task, policy))
        self._admission.pass_on(attempt, [other for other in work.policies if other != policy])

    def _wait_for_gateway(self, attempt: Attempt, task: Task | None, seconds: int) -> NoReturn:
        """Let the attempt's message wait, with no agent claimed. Raises NotNow, ConditionFailed."""
        if attempt.status is AttemptStatus.PARKED:
            self._handover.watch(attempt)  # it waits in a list; the message may end
        elif (attempt.due_at or 0) < self._clock() + 2 * seconds * 1000:
            # On record for people; and the message that waits is not to be taken for a lost one.
            _, task_changes = self._tasks.recorded(attempt, task)
            kept = attempt.replace(due_at=self._clock() + UNSENT_RECHECK_MS)
            self._store.write(self._tasks.put(kept), *task_changes)
        raise NotNow(seconds, "nothing can be sent")

    def _claim(
        self, attempt: Attempt, task: Task | None, agent: Agent, envelope: Envelope, grant: Grant
    ) -> tuple[Attempt, Task] | None:
        """The claimed attempt; None if the agent or a slot went to someone else, or the agent said
        something.

        Raises ConditionFailed when another worker has the attempt, NotNow when nothing can be sent.
        """
        closed_for = self._gateways.closed_for(agent, envelope.limit_seconds)
        if closed_for is not None:
            self._wait_for_gateway(attempt, task, closed_for)
        try:
            return self._handover.claim(attempt, task, agent, envelope.limit_seconds, grant)
        except ConditionFailed as lost:
            if 0 in lost.failed:
                raise
            return None

    def _drop(self, attempt: Attempt, work: Work) -> None:
        if work.session is None:
            warn("task of an unknown session")
            message = f"no session {attempt.session_id} is on record"
            self._outcomes.tell(
                attempt.message.token, Outcome.failure(TaskError.DISPATCH_FAILED, message)
            )
        if attempt.rev > 0:
            self._outcomes.supersede(attempt)

    def _take_over(self, attempt: Attempt, envelope: Envelope) -> None:
        """Another worker claimed the attempt and was sending. Once its time is over the same
        hand-over is made again: the agent may get it twice, under the same id and fence.
        """
        now = self._clock()
        until = attempt.sending_until or 0
        if until > now:
            raise NotNow((until - now) // 1000 + 1, "another worker is sending it")
        until = sending_until(now, envelope.limit_seconds)
        again = attempt.replace(sending_until=until, due_at=until)
        self._store.write(self._tasks.put(again))
        again = again.replace(rev=attempt.rev + 1)
        agent = self._agents.get(attempt.agent_id or "")
        if agent is None or attempt.attempt_id not in agent.leases:
            self._outcomes.end(
                again, Outcome.failure(TaskError.AGENT_LOST, "the agent was deregistered")
            )
            return
        if self._handover.deliver(again, agent, envelope.limit_seconds) is not Handed.DONE:
            raise NotNow(None, "nothing can be sent")

    def deadline(self, attempt_id: str, fence: int) -> None:
        """End the attempt if the time of that hand-over is over; look again later if not."""
        attempt = self._tasks.attempt(attempt_id)
        if attempt is None or attempt.fence != fence:
            return
        bind(session_id=attempt.session_id, task_id=attempt_id, agent_id=attempt.agent_id)
        outcome = overdue(attempt, self._clock())
        if outcome is not None:
            if not (self._held(attempt) or self._waits.end(attempt, outcome)):
                raise NotNow(1, "the attempt changed at its deadline")
        elif attempt.status in TIMED:
            self._handover.watch(attempt)

    def _held(self, attempt: Attempt) -> bool:
        """Whether the attempt waits in vain because its session is or was paused: then it waits for
        that, or has waited only since its session was resumed.
        """
        if attempt.status is not AttemptStatus.PARKED:
            return False
        message = attempt.task_message
        work = self._work(message)
        pauses = [work.session, *work.policies]
        resumed = [pause.resumed_at or 0 for pause in pauses if pause is not None]
        resumed_at = max(resumed, default=0)
        until = resumed_at + round(message.wait_timeout * 1000)
        pausing = next((policy for policy in work.policies if policy.paused), None)
        try:
            if is_paused(work):
                self._parking.hold(attempt, work.task)
            elif pausing is not None:
                self._admission.stand_behind(attempt, work.task, pausing)
            elif until > self._clock():
                self._parking.prolong(attempt, until)
                self._handover.watch(attempt.replace(wait_deadline=until))
            else:
                return False
        except ConditionFailed:
            raise NotNow(1, "the attempt changed at its deadline") from None
        return True

    def _wake(self, agent_id: str, lists: tuple[str, ...], envelope: Envelope) -> None:
        """Give an agent that can take work the tasks whose turn it is, as long as this record may
        take; the rest is for another record.
        """
        bind(agent_id=agent_id)
        until = self._clock() + round(envelope.limit_seconds * 1000)
        for entry in self._parking.turn(lists):
            if self._clock() >= until:
                self._queue.send(WakeMessage(agent_id=agent_id, lists=lists))
                return
            if not self._offer(entry, agent_id, envelope):
                return

    def _offer(self, entry: WaitingEntry, agent_id: str, envelope: Envelope) -> bool:
        """Give the agent what waits there, if it may have it. Whether there is any use in offering
        it more.
        """
        for _ in range(TRIES):
            agent = self._lookout.agent(agent_id)
            if agent is None or settled(agent, self._clock()).idle_since is None:
                return False
            work = self._parking.open_work(entry)
            if work is None or work.attempt is None:
                return True
            try:
                return self._hand_out(work.attempt, work, agent, envelope)
            except ConditionFailed as lost:
                if 0 in lost.failed:
                    return True  # someone else took it
                # The agent said something, or took another task: look how it stands now.
        return True

    def _hand_out(self, attempt: Attempt, work: Work, agent: Agent, envelope: Envelope) -> bool:
        """False if nothing can be sent to anyone. Raises ConditionFailed; 0 is the attempt."""
        bind(session_id=attempt.session_id, task_id=attempt.attempt_id)
        if not may_run(attempt, work):
            self._drop(attempt, work)
            return True
        if is_paused(work):
            self._parking.hold(attempt, work.task)
            return True
        if not self._candidates.may_try(agent, attempt, work.task):
            return True
        if self._gateways.closed_for(agent, envelope.limit_seconds) is not None:
            return False  # it waits on; the sweeper has it offered again
        grant = self._admission.ask(attempt, work.policies)
        if isinstance(grant, Policy):
            self._stand_behind(attempt, work.task, work, grant)
            return True
        claimed, _ = self._handover.claim(attempt, work.task, agent, envelope.limit_seconds, grant)
        handed = self._handover.deliver(claimed, agent, envelope.limit_seconds)
        if handed is not Handed.DONE:
            # From here on it goes its way like a message that has just come.
            self._queue.send(AttemptMessage(attempt_id=attempt.attempt_id), delay_seconds=1)
        return handed is not Handed.AWAY

    def _reconsider(self, agent_id: str, at: int) -> None:
        if at > self._clock():
            self._wakeups.later(agent_id, at)  # longer than the queue delays a message
        else:
            self.reconsider(agent_id)

    def reconsider(self, agent_id: str) -> None:
        """Bring an agent up to date with what time alone has changed."""
        for _ in range(TRIES):
            agent = self._agents.get(agent_id)
            if agent is None:
                return
            after = settled(agent, self._clock())
            if after == agent:
                return
            try:
                self._store.write(*self._agents.changed(agent, after))
            except ConditionFailed:
                continue
            self._wakeups.after_change(agent, after)
            return
        raise NotNow(None, "the agent keeps changing")

    def _resume(self, session_id: str) -> None:
        """Let the held tasks of a resumed session go on, some at a time."""
        bind(session_id=session_id)
        entries = self._parking.entries(session_list(session_id))
        for entry in entries:
            work = self._parking.open_work(entry)
            if work is None or work.attempt is None:
                continue
            if is_paused(work):
                return
            try:
                self._parking.unhold(work.attempt)
            except ConditionFailed:
                continue
            self._queue.send(AttemptMessage(attempt_id=entry.attempt_id))
        if entries:
            self._queue.send(ResumeMessage(session_id=session_id))
