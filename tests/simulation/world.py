"""A deployment in virtual time: the services over the fakes, what drives its functions, the agents,
the callers, and Step Functions.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import cached_property, partial
from typing import Any

from opscore.composition import Services
from opscore.errors import AgentNotFound, Contended, DependencyFailed, OpsCoreError
from opscore.lifecycle.sessions import FINAL
from opscore.models.session import SessionStatus
from opscore.ports import Execution, Machines, Queue, Store, Tokens, Transport
from opscore.records.tasks import Tasks
from opscore.services.dispatch import Envelope, NotNow
from opscore.services.redelivery import time_for_one
from opscore.services.sessions import StartRequest
from opscore.settings import Settings, TransportName
from tests.simulation.agents import SimulatedAgent, SimulatedTransport
from tests.simulation.faults import Calls, FaultyMachines, FaultyQueue, FaultyStore, FaultyTokens
from tests.simulation.invariants import Invariants
from tests.simulation.scenario import WORKFLOWS, Fault, Scenario
from tests.simulation.scheduler import START, Crash, Scheduler
from tests.simulation.sqs import DEAD_LETTER_VISIBILITY_SECONDS, Held, SimulatedQueue
from tests.simulation.step_functions import StepFunctions, bare
from tests.simulation.watched import MirroredStore, WatchedStore
from tests.support.memory import MemoryStore

SECONDS = {
    "task_dispatcher": 60, "state_api": 15, "task_api": 15, "session_api": 15,
    "execution_recorder": 30, "failure_handler": 30, "sweeper": 55,
}  # fmt: skip
"""The functions' time limits, as in template.yaml."""

SWEEP_SECONDS = 60
REQUEST_SECONDS = 10
LONGEST_HOURS = 6
"""How long a run may take to come to rest, once nothing goes wrong any more."""


Work = Callable[[Services], object]
"""What a function does, with the services of its process."""


class World(Services):
    """One run of a scenario. `starts`: sessions by the number of who asked for them."""

    watched_by: type[WatchedStore] = WatchedStore
    drain_seconds = 120

    def __init__(
        self,
        scenario: Scenario,
        store: Store | None = None,
        trace: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(self)
        self.scenario = scenario
        self.trace = trace
        self.scheduler = Scheduler(str(scenario.seed))
        self.calls = Calls(self.scheduler, scenario.faults, scenario.slow_share, trace)
        self.settings = Settings(
            task_queue_url="queue-url",
            capability_shards=2,
            drain_seconds=self.drain_seconds,
            error_cooldown_seconds=5,
            request_timeout_seconds=REQUEST_SECONDS,
        )
        seen = store.memory if isinstance(store, MirroredStore) else None
        self.watched = self.watched_by(store or MemoryStore(), seen)
        self.sqs = SimulatedQueue(
            self.scheduler, self.calls, scenario.rng("queue"), self._dispatch, self._bury
        )
        self.step_functions = StepFunctions(
            self.scheduler, self.calls, scenario.rng("executions"), self.sqs.put, self._announce
        )
        self.watched_tasks = Tasks(self.watched.seen, self.settings.retention_days)
        self.invariants = Invariants(self)
        self.watched.observe = self.invariants.written
        self.store: Store = FaultyStore(self.watched, self.calls)
        self.queue: Queue = FaultyQueue(self.sqs, self.calls)
        self.tokens: Tokens = FaultyTokens(self.step_functions, self.calls)
        self.machines: Machines = FaultyMachines(self.step_functions, self.calls)
        self._transports = {
            TransportName.AGENTKIT: SimulatedTransport(self, shared=True),
            TransportName.DIRECT: SimulatedTransport(self, shared=False),
        }
        self.gateway_down = False
        self.programs = {
            agent.agent_id: agent
            for agent in (SimulatedAgent.of(self, scenario, n) for n in scenario.agents)
        }
        self.starts: dict[int, str] = {}
        self._warm: dict[str, list[Services]] = {}
        self._chance = scenario.rng("world")

    def clock(self) -> int:
        return self.scheduler.now

    def transport_of(self, name: TransportName | None) -> Transport:
        return self._transports[name or TransportName.AGENTKIT]

    # ---- a run

    def run(self) -> list[str]:
        """From the first registration to the last end. Returns what was wrong."""
        for workflow_id in WORKFLOWS:
            self.workflows.apply(workflow_id, _template(workflow_id))
        for agent in self.programs.values():
            self._live(agent)
        for number in self.scenario.sessions:
            self._plan_session(number)
        if Fault.GATEWAY in self.scenario.faults:
            self._plan_outages()
        self.scheduler.after(SWEEP_SECONDS, self._sweep)
        ends = START + self.scenario.minutes * 60_000
        self.scheduler.at(ends, self._recover)
        longest = ends + LONGEST_HOURS * 3_600_000
        while not self.invariants.broken and self.scheduler.now < longest:
            if self.scheduler.now > ends and self._rests():
                break
            before = self.scheduler.now
            self.scheduler.step()
            if self.scheduler.now > before or not self.scheduler.workers:
                self.invariants.time_passes()
        if not self.invariants.broken:
            self.invariants.at_rest()
        return self.invariants.broken

    def _live(self, agent: SimulatedAgent) -> None:
        rng, minutes = agent.rng, self.scenario.minutes
        late = rng.random() < 0.3
        self.scheduler.after(
            rng.uniform(0, minutes * 30) if late else rng.uniform(0, 5), agent.begin
        )
        if Fault.FLEET not in self.scenario.faults:
            return
        if agent.bad or rng.random() < 0.3:
            leaves = rng.uniform(30, minutes * 60)
            self.scheduler.after(leaves, lambda: self._leave(agent))
            self.scheduler.after(leaves + rng.uniform(2, 120), agent.begin)
        if rng.random() < 0.3:
            self.scheduler.after(rng.uniform(30, minutes * 60), lambda: self._learn(agent))

    def _leave(self, agent: SimulatedAgent) -> None:
        agent.life += 1
        agent.free_at.clear()
        self.insist("state_api", lambda at: at.agents.deregister(agent.agent_id), "deregister")

    def _learn(self, agent: SimulatedAgent) -> None:
        agent.capabilities = self.scenario.capabilities
        agent.slots += agent.names
        self.insist(
            "state_api",
            lambda at: at.agents.register(agent.registration()),
            f"register {agent.agent_id} again",
        )

    def _plan_session(self, number: int) -> None:
        rng = self.scenario.rng("session", number)
        own = f"agent-{rng.choice(self.scenario.agents or (0,))}" if rng.random() < 0.2 else None
        request = StartRequest(
            workflow_id=rng.choice(WORKFLOWS),
            definition=None,
            payload=self.scenario.plan(number),
            idempotency_key=f"session {number}",
        )

        def start(at: Services) -> None:
            named = StartRequest(**{**vars(request), "agent_id": own})
            try:
                session = at.sessions.start(named)
            except AgentNotFound:
                anew = {**vars(request), "idempotency_key": f"session {number} without an agent"}
                session = at.sessions.start(StartRequest(**anew))
            self.starts[number] = session.session_id

        # Many begin at once: that is when one gets in another's way.
        burst = self.scenario.rng("burst", rng.randrange(1 + len(self.scenario.sessions) // 4))
        when = burst.uniform(0, self.scenario.minutes * 45) + rng.expovariate(3)
        self.scheduler.after(when, lambda: self.insist("session_api", start, f"start {number}"))
        if Fault.PEOPLE not in self.scenario.faults:
            return
        move = rng.choice((None, None, "pause", "pause", "cancel"))
        if move == "cancel":
            self._plan_move(number, SessionStatus.CANCELLED, when + rng.uniform(0, 200))
        elif move == "pause":
            when += rng.uniform(0, 100)
            self._plan_move(number, SessionStatus.PAUSED, when)
            self._plan_move(number, SessionStatus.RUNNING, when + rng.uniform(1, 400))

    def _plan_move(self, number: int, status: SessionStatus, when: float) -> None:
        def move(at: Services) -> None:
            session_id = self.starts.get(number)
            if session_id is not None:
                at.sessions.update(session_id, status=status)

        self.scheduler.after(
            when, lambda: self.insist("session_api", move, f"{status} for {number}")
        )

    def _plan_outages(self) -> None:
        for _ in range(2):
            begins = self._chance.uniform(0, self.scenario.minutes * 60)
            self.scheduler.after(begins, lambda: self._set_gateway(down=True))
            ends = begins + self._chance.uniform(5, 120)
            self.scheduler.after(ends, lambda: self._set_gateway(down=False))

    def _set_gateway(self, *, down: bool) -> None:
        self.trace(f"AgentKit is {'down' if down else 'up'}")
        self.gateway_down = down

    # ---- the end

    def _recover(self) -> None:
        """From now on nothing goes wrong, and everyone does well."""
        self.trace("nothing goes wrong from here on")
        self.calls.on = False
        self.gateway_down = False
        for agent in self.programs.values():
            if not agent.registered:
                agent.begin()
            if not agent.alive:
                agent.restart()
        for session_id in self.starts.values():
            session = self.session_records.get(session_id)
            if session is not None and session.status is SessionStatus.PAUSED:
                self._resume(session_id)
        self._ask_agents()

    def _resume(self, session_id: str) -> None:
        def resume(at: Services) -> None:
            at.sessions.update(session_id, status=SessionStatus.RUNNING)

        self.insist("session_api", resume, "resume")

    def _ask_agents(self) -> None:
        """An agent with nothing in hand says so: its word may have got lost before."""
        for agent in self.programs.values():
            agent.say_idle_if_so()
        self.scheduler.after(300, self._ask_agents)

    def _rests(self) -> bool:
        if self.scheduler.workers or self.sqs.held:
            return False
        sessions = [self.session_records.get(session_id) for session_id in self.starts.values()]
        return len(sessions) == len(self.scenario.sessions) and all(
            session is not None
            and session.status in FINAL
            and session.cleaned
            and not self.invariants.open_attempts
            for session in sessions
        )

    # ---- who calls the functions

    def request(self, function: str, work: Work, name: str = "") -> None:
        """One try; what comes of it, nobody hears."""
        self._spawn(function, work, name, lambda _: None)

    def insist(self, function: str, work: Work, name: str, tries: int = 1_000) -> None:
        """Try until it has worked, or will never."""

        def ended(error: BaseException | None) -> None:
            again = isinstance(error, Crash | Contended | DependencyFailed | AgentNotFound)
            left = min(tries - 1, 5) if isinstance(error, AgentNotFound) else tries - 1
            if again and left > 0:
                self.scheduler.after(3, lambda: self.insist(function, work, name, left))

        self._spawn(function, work, name, ended)

    def _spawn(
        self,
        function: str,
        work: Work,
        name: str,
        then: Callable[[BaseException | None], None],
    ) -> None:
        def ended(error: BaseException | None) -> None:
            if error is not None:
                self.trace(f"{function} ({name}) ended: {type(error).__name__}: {error}")
            if not isinstance(error, Crash):
                warm.append(process)
            if not isinstance(error, Crash | OpsCoreError | NotNow | None):
                self.invariants.unforeseen(function, error)
            then(error)

        warm = self._warm.setdefault(function, [])
        process = warm.pop() if warm else self._process()
        name = f"{function} ({name})"
        self.scheduler.spawn(name, lambda: work(process), SECONDS[function], ended)

    def _process(self) -> Services:
        """Services of its own for a process: what they remember, only later calls of it know."""
        process = copy(self)
        for part in _PARTS & vars(process).keys():
            delattr(process, part)
        return process

    # ---- what AWS does by itself

    def _dispatch(self, batch: list[Held]) -> None:
        """The task dispatcher's handler, and its event source around it."""
        done: list[Held] = []

        def work(at: Services) -> None:
            worker = self.scheduler.worker
            assert worker is not None
            for number, held in enumerate(batch):
                try:
                    with at.redelivery.of(held.receipt, held.receives):
                        remaining = worker.ends_at - self.scheduler.now
                        limit = time_for_one(remaining, len(batch) - number, REQUEST_SECONDS)
                        at.dispatcher.take(held.message, Envelope(held.sent_at, limit))
                except (OpsCoreError, NotNow) as error:
                    self.trace(f"{held.message_id} comes back: {error}")
                except Exception as error:  # noqa: BLE001 (the batch processor keeps it)
                    self.invariants.unforeseen("task_dispatcher", error)
                else:
                    done.append(held)

        def ended(error: BaseException | None) -> None:
            for held in [] if error is not None else done:
                self.sqs.done(held)
            self.sqs.freed()

        names = " ".join(f"{held.message_id}:{held.message.kind}" for held in batch)
        self._spawn("task_dispatcher", work, names, ended)

    def _bury(self, held: Held) -> None:
        self.trace(f"{held.message_id} is a dead letter")

        def work(at: Services) -> None:
            at.dead_letters.record(held.message_id, held.body, held.receives)

        def ended(error: BaseException | None) -> None:
            if error is not None:
                self.scheduler.after(DEAD_LETTER_VISIBILITY_SECONDS, lambda: self._bury(held))

        self._spawn("failure_handler", work, held.message_id, ended)

    def _announce(self, session_id: str, how: Execution) -> None:
        rng, times = self._chance, 1
        if self.calls.has(Fault.EVENTS):
            times = rng.choice((0, 1, 1, 2))
        for _ in range(times):
            delay = rng.expovariate(2)
            if self.calls.has(Fault.EVENTS) and rng.random() < 0.3:
                delay += rng.expovariate(1 / 30)
            event = bare(how) if rng.random() < 0.5 else how
            self.scheduler.after(delay, partial(self._record, session_id, event, 8))

    def _record(self, session_id: str, how: Execution, tries: int) -> None:
        def work(at: Services) -> None:
            at.recording.event(session_id, how)

        def ended(error: BaseException | None) -> None:
            if error is not None and tries > 1:
                self.scheduler.after(
                    self._chance.uniform(1, 60), lambda: self._record(session_id, how, tries - 1)
                )

        self._spawn("execution_recorder", work, f"{session_id[:8]} {how.status}", ended)

    def _sweep(self) -> None:
        begun = self.scheduler.now

        def work(at: Services) -> None:
            worker = self.scheduler.worker
            assert worker is not None
            at.sweeper.sweep(lambda: worker.ends_at - self.scheduler.now > 10_000)

        def ended(error: BaseException | None) -> None:
            if error is None:
                self.invariants.swept(begun)

        self._spawn("sweeper", work, "", ended)
        self.scheduler.after(SWEEP_SECONDS, self._sweep)


_PARTS = {name for name, part in vars(Services).items() if isinstance(part, cached_property)}


def _template(workflow_id: str) -> dict[str, Any]:
    """A workflow in name: what an execution does is in its input."""
    return {
        "id": workflow_id,
        "name": workflow_id,
        "tasks": [{"taskId": "any", "agentCapability": "any"}],
    }
