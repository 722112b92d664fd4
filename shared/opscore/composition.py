"""Who needs whom: every service over the ports, made once, at its first use.

`bootstrap` brings the ports that reach AWS, tests bring fakes; the wiring is this. A service's
imports come with it, so that a function pays for what it serves and nothing else.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from opscore.ports import Clock, Machines, Queue, Store, Tokens, Transport
from opscore.records.agents import Agents
from opscore.records.dead_letters import DeadLetters
from opscore.records.machines import MachineRecords
from opscore.records.policies import Policies
from opscore.records.quarantines import Quarantines
from opscore.records.sessions import Sessions
from opscore.records.signals import SignalRecords
from opscore.records.tasks import Tasks
from opscore.records.waiting import Waiting
from opscore.records.workflows import Workflows
from opscore.settings import Settings, TransportName

if TYPE_CHECKING:
    from opscore.services.agents import AgentService
    from opscore.services.approvals import Approvals
    from opscore.services.children import Children
    from opscore.services.collecting import Collector
    from opscore.services.dead_letters import DeadLetterService
    from opscore.services.dispatch import Dispatcher
    from opscore.services.gateways import Gateways
    from opscore.services.handover import Handover
    from opscore.services.launching import Launch
    from opscore.services.letters import LetterService
    from opscore.services.lookout import Lookout
    from opscore.services.making import Making
    from opscore.services.outcomes import Outcomes
    from opscore.services.own_word import OwnWord
    from opscore.services.parking import Parking
    from opscore.services.policies import PolicyService
    from opscore.services.quarantine import QuarantineService
    from opscore.services.recording import Recording
    from opscore.services.redelivery import Redelivery
    from opscore.services.replay import ReplayService
    from opscore.services.reports import Reports
    from opscore.services.rerun import RerunService
    from opscore.services.sessions import SessionService
    from opscore.services.signals import Signals
    from opscore.services.sweeping import Sweeper
    from opscore.services.waits import Waits
    from opscore.services.wakeups import Wakeups
    from opscore.services.workflows import WorkflowService


class Ports(Protocol):
    """What the services need from outside."""

    @property
    def settings(self) -> Settings: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def store(self) -> Store: ...

    @property
    def queue(self) -> Queue: ...

    @property
    def tokens(self) -> Tokens: ...

    @property
    def machines(self) -> Machines: ...

    def transport_of(self, name: TransportName | None) -> Transport:
        """The transport of that name; the deployment's own for None."""
        ...


class Services:
    """The services, and the records that they share."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    # ---- records

    @cached_property
    def agent_records(self) -> Agents:
        return Agents(self._ports.store, self._ports.settings.capability_shards)

    @cached_property
    def task_records(self) -> Tasks:
        return Tasks(self._ports.store, self._ports.settings.retention_days)

    @cached_property
    def session_records(self) -> Sessions:
        return Sessions(self._ports.store, self._ports.settings.retention_days)

    @cached_property
    def workflow_records(self) -> Workflows:
        return Workflows(self._ports.store)

    @cached_property
    def machine_records(self) -> MachineRecords:
        return MachineRecords(self._ports.store)

    @cached_property
    def letters(self) -> DeadLetters:
        return DeadLetters(self._ports.store, self._ports.settings.retention_days)

    @cached_property
    def quarantine_records(self) -> Quarantines:
        return Quarantines(self._ports.store, self._ports.settings.retention_days)

    @cached_property
    def waiting(self) -> Waiting:
        return Waiting(self._ports.store, self._ports.settings.capability_shards)

    @cached_property
    def policy_records(self) -> Policies:
        return Policies(self._ports.store, self.waiting)

    # ---- agents

    @cached_property
    def wakeups(self) -> Wakeups:
        from opscore.services.wakeups import Wakeups

        return Wakeups(self.waiting, self._ports.queue, self._ports.clock)

    @cached_property
    def agents(self) -> AgentService:
        from opscore.services.agents import AgentService

        return AgentService(
            self._ports.store,
            self.agent_records,
            self.quarantine_records,
            self.quarantines,
            self.outcomes,
            self.wakeups,
            self._ports.clock,
            cooldown_ms=self._ports.settings.error_cooldown_seconds * 1000,
            stale_ms=self._ports.settings.stale_agent_seconds * 1000,
            history_days=self._ports.settings.history_days,
        )

    @cached_property
    def quarantines(self) -> QuarantineService:
        from opscore.services.quarantine import QuarantineService

        return QuarantineService(
            self._ports.store,
            self.quarantine_records,
            self.agent_records,
            self.task_records,
            self.outcomes,
            self.wakeups,
            self._ports.clock,
        )

    @cached_property
    def reports(self) -> Reports:
        from opscore.services.reports import Reports

        return Reports(
            self._ports.store,
            self.agent_records,
            self.task_records,
            self.outcomes,
            self.wakeups,
            self._ports.clock,
            cooldown_ms=self._ports.settings.error_cooldown_seconds * 1000,
            history_days=self._ports.settings.history_days,
        )

    # ---- tasks

    @cached_property
    def outcomes(self) -> Outcomes:
        from opscore.services.outcomes import Outcomes

        return Outcomes(
            self._ports.store,
            self.agent_records,
            self.task_records,
            self.waiting,
            self._ports.tokens,
            self.wakeups,
            self._ports.clock,
            drain_ms=self._ports.settings.drain_seconds * 1000,
        )

    @cached_property
    def own_word(self) -> OwnWord:
        from opscore.services.own_word import OwnWord

        return OwnWord(self._ports.store, self.task_records, self.outcomes, self._ports.clock)

    @cached_property
    def gateways(self) -> Gateways:
        from opscore.services.gateways import Gateways

        return Gateways(
            self._ports.store,
            self._ports.transport_of,
            self._ports.settings.dispatch_transport,
            self._ports.clock,
            longest_ms=self._ports.settings.redelivery_cap_seconds * 1000,
        )

    @cached_property
    def lookout(self) -> Lookout:
        from opscore.services.lookout import Lookout

        return Lookout(self._ports.store, self.gateways)

    @cached_property
    def handover(self) -> Handover:
        from opscore.services.handover import Handover

        return Handover(
            self._ports.store,
            self.agent_records,
            self.task_records,
            self.waiting,
            self._ports.queue,
            self.outcomes,
            self.wakeups,
            self._ports.transport_of,
            self.gateways,
            self._ports.clock,
            drain_ms=self._ports.settings.drain_seconds * 1000,
        )

    @cached_property
    def parking(self) -> Parking:
        from opscore.services.parking import Parking

        return Parking(self._ports.store, self.task_records, self.waiting, self._ports.clock)

    @cached_property
    def policies(self) -> PolicyService:
        from opscore.services.policies import PolicyService

        return PolicyService(
            self._ports.store, self.policy_records, self._ports.queue, self._ports.clock
        )

    @cached_property
    def dispatcher(self) -> Dispatcher:
        from opscore.services.admission import Admission
        from opscore.services.candidates import Candidates
        from opscore.services.dispatch import Dispatcher
        from opscore.services.kept import KeptResults

        return Dispatcher(
            self._ports.store,
            self.agent_records,
            self.task_records,
            self._ports.queue,
            self.lookout,
            self.gateways,
            Candidates(self.agent_records, self.lookout, self.waiting, self._ports.clock),
            self.parking,
            Admission(
                self._ports.store,
                self.policy_records,
                self.waiting,
                self.parking,
                self._ports.queue,
                self._ports.clock,
            ),
            self.handover,
            KeptResults(self._ports.store, self.task_records, self.outcomes),
            self.waits,
            self.outcomes,
            self.wakeups,
            self._ports.clock,
        )

    # ---- steps that no agent does

    @cached_property
    def waits(self) -> Waits:
        from opscore.services.child_start import ChildStart
        from opscore.services.waits import Waits

        return Waits(
            self._ports.store,
            self.task_records,
            self.outcomes,
            self.signals,
            self.children,
            ChildStart(
                self.session_records,
                self.workflows,
                self.workflow_records,
                self.launch,
                self.recording,
            ),
            self.recording,
            self.handover.watch,
            self._ports.clock,
        )

    @cached_property
    def approvals(self) -> Approvals:
        from opscore.services.approvals import Approvals

        return Approvals(
            self._ports.store,
            self.task_records,
            self.session_records,
            self.outcomes,
            self._ports.clock,
        )

    @cached_property
    def signals(self) -> Signals:
        from opscore.services.signals import Signals

        return Signals(
            self._ports.store,
            SignalRecords(self._ports.store, self._ports.settings.retention_days),
            self.task_records,
            self.outcomes,
            self._ports.clock,
        )

    @cached_property
    def children(self) -> Children:
        from opscore.services.children import Children

        return Children(
            self._ports.store,
            self.session_records,
            self.task_records,
            self.waiting,
            self.outcomes,
            self._ports.queue,
            self._ports.clock,
        )

    # ---- what goes wrong

    @cached_property
    def redelivery(self) -> Redelivery:
        from opscore.services.redelivery import Redelivery

        return Redelivery(
            self._ports.queue,
            base_seconds=self._ports.settings.redelivery_base_seconds,
            cap_seconds=self._ports.settings.redelivery_cap_seconds,
        )

    @cached_property
    def dead_letters(self) -> DeadLetterService:
        from opscore.services.dead_letters import DeadLetterService

        return DeadLetterService(
            self._ports.store, self.letters, self.task_records, self.outcomes, self._ports.clock
        )

    @cached_property
    def replays(self) -> ReplayService:
        from opscore.services.replay import ReplayService

        return ReplayService(
            self._ports.store,
            self.letters,
            self.session_records,
            self.reruns,
            self.launch,
            self._ports.clock,
        )

    @cached_property
    def letterbox(self) -> LetterService:
        from opscore.services.letters import LetterService

        return LetterService(self._ports.store, self.letters, self._ports.clock)

    @cached_property
    def sweeper(self) -> Sweeper:
        from opscore.services.sweeping import Sweeper

        return Sweeper(
            self._ports.store,
            self.task_records,
            self.waiting,
            self._ports.queue,
            self.dispatcher,
            self.outcomes,
            self.recording,
            self.quarantines,
            self.collector,
            self._ports.clock,
            shards=self._ports.settings.capability_shards,
        )

    # ---- workflows and sessions

    @cached_property
    def workflows(self) -> WorkflowService:
        from opscore.services.workflows import WorkflowService

        return WorkflowService(
            self._ports.store,
            self.workflow_records,
            self.making,
            self.machine_records,
            self._ports.settings.require("task_queue_url"),
            self._ports.clock,
            map_executions=self._ports.settings.map_executions,
        )

    @cached_property
    def making(self) -> Making:
        from opscore.services.making import Making

        return Making(
            self._ports.store, self.machine_records, self._ports.machines, self._ports.clock
        )

    @cached_property
    def collector(self) -> Collector:
        from opscore.services.collecting import Collector

        return Collector(
            self._ports.store,
            self.machine_records,
            self.workflow_records,
            self.session_records,
            self._ports.machines,
            self._ports.clock,
        )

    @cached_property
    def recording(self) -> Recording:
        from opscore.services.cleanup import Cleanup
        from opscore.services.recording import Recording

        return Recording(
            self._ports.store,
            self.session_records,
            self.children,
            self._ports.machines,
            Cleanup(self.task_records, self.outcomes, self.children, self._ports.machines),
            self._ports.clock,
        )

    @cached_property
    def launch(self) -> Launch:
        from opscore.services.launching import Launch

        return Launch(
            self._ports.store,
            self.session_records,
            self._ports.machines,
            self.recording,
            self._ports.clock,
        )

    @cached_property
    def reruns(self) -> RerunService:
        from opscore.services.rerun import RerunService

        return RerunService(
            self.session_records,
            self.task_records,
            self.workflows,
            self.making,
            self.launch,
        )

    @cached_property
    def sessions(self) -> SessionService:
        from opscore.services.sessions import SessionService

        return SessionService(
            self._ports.store,
            self.session_records,
            self.task_records,
            self.workflows,
            self.workflow_records,
            self.launch,
            self._ports.queue,
            self.recording,
            self._ports.clock,
        )
