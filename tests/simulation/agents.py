"""Agents: what they do with a task, what they say of it, and how all that goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from opscore.composition import Services
from opscore.models.agent import Agent, Report
from opscore.models.task import Attempt
from opscore.ports import Delivered
from opscore.services.agents import Registration
from opscore.settings import TransportName
from opscore.transports.body import task_reference
from tests.simulation.scenario import Fault, Scenario, agent_name
from tests.simulation.scheduler import Action

if TYPE_CHECKING:
    from tests.simulation.world import World

ACTS = ("does", "fails", "late", "late", "dies", "is mute", "lies", "refuses")
FREE = {"free": True}
"""What an agent that names no task says of itself when it does not speak of a task's end."""

_APART_MS = 20
"""What lies between AgentKit's active and idle."""


@dataclass
class SimulatedAgent:
    """One agent program. `names`: it echoes the task's id; `own_word`: it completes by the task
    API; neither: it says active and idle and not a word more. `bad`: it does not always do well.
    """

    world: World
    agent_id: str
    rng: Random
    capabilities: tuple[str, ...]
    slots: int
    names: bool
    own_word: bool
    inside: bool
    direct: bool
    bad: bool
    skew_ms: int
    alive: bool = True
    registered: bool = False
    free_at: list[int] = field(default_factory=list)
    given: set[str] = field(default_factory=set)
    last_words: list[Action] = field(default_factory=list)
    life: int = 0
    """Counts its restarts: what it began before one, it does not end."""

    @classmethod
    def of(cls, world: World, scenario: Scenario, number: int) -> SimulatedAgent:
        rng = scenario.rng("agent", number)
        kind = rng.choice(("names", "infers", "own word"))
        known = scenario.capabilities
        reliable = number == 0  # and able to do everything
        capabilities = known if reliable else rng.sample(known, rng.randint(1, len(known)))
        return cls(
            world=world,
            agent_id=agent_name(number),
            rng=rng,
            capabilities=tuple(capabilities),
            slots=1 if kind == "infers" else rng.choice((1, 1, 2, 3)),
            names=kind != "infers",
            own_word=kind == "own word",
            inside=rng.random() < 0.2,
            direct=rng.random() < 0.3,
            bad=not reliable and rng.random() < 0.6 and Fault.CONDUCT in scenario.faults,
            skew_ms=rng.choice((0, 0, -3_600_000, 3_600_000, rng.randint(-5_000, 5_000))),
        )

    # ---- coming and going

    def registration(self) -> Registration:
        return Registration(
            agent_id=self.agent_id,
            agent_name=self.agent_id,
            version="1",
            capabilities=self.capabilities,
            contact_endpoint=f"http://{self.agent_id}.example/run",
            max_concurrency=self.slots,
            transport=TransportName.DIRECT if self.direct else TransportName.AGENTKIT,
        )

    def begin(self) -> None:
        """Register, and say idle, with nothing in hand: in whatever order the two arrive."""
        self.life += 1
        self.free_at.clear()
        self.world.insist("state_api", self._register, f"register {self.agent_id}")
        self.world.scheduler.after(self.rng.uniform(0, 3), self.say_idle_if_so)

    def _register(self, at: Services) -> None:
        at.agents.register(self.registration())
        self.registered = True

    def restart(self) -> None:
        """Begin anew, with nothing in hand."""
        self.alive = True
        self.life += 1
        self.free_at.clear()
        self.say_idle(insists=True)

    def die(self) -> None:
        self.alive = False
        self.life += 1

    # ---- tasks

    def deliver(self, attempt: Attempt) -> Delivered:
        """What comes of a request with a task, the agent being reached."""
        scheduler = self.world.scheduler
        if not self.alive:
            # AgentKit answers before it forwards, and only logs what becomes of that.
            return Delivered.NOT_SENT if self.direct else Delivered.ACCEPTED
        reference = task_reference(attempt)
        if reference in self.given:
            return Delivered.ACCEPTED
        chance = self.chance_of(attempt)
        act = self._act(chance)
        if act == "refuses":
            return Delivered.REFUSED
        self.given.add(reference)
        now = scheduler.now
        begins = max([now, *sorted(self.free_at)[: len(self.free_at) - self.slots + 1]])
        longest = attempt.message.timeout * self.world.scenario.pace
        takes = round(chance.uniform(0.05, longest) * 1000)
        if act == "late":
            # Some just when their time is over.
            late = chance.choice((chance.uniform(-0.5, 1.5), chance.uniform(0, 40)))
            takes = round((attempt.message.timeout + late) * 1000)
        self.free_at = [at for at in self.free_at if at > now] + [begins + takes + 10 * _APART_MS]
        life = self.life
        scheduler.at(begins, lambda: self._work(attempt, reference, act, takes, life))
        if self.inside:
            scheduler.pause(min(takes, 9_000))
            return Delivered.ACCEPTED if takes < 9_000 else Delivered.UNANSWERED
        return Delivered.ACCEPTED

    def chance_of(self, attempt: Attempt) -> Random:
        """What becomes of one hand-over, whatever else is handed out in this run."""
        message = attempt.task_message
        parts = (message.parameters, message.task_id, message.route, message.retry, attempt.fence)
        return self.world.scenario.rng(self.agent_id, *parts)

    def _act(self, chance: Random) -> str:
        if not self.bad or not self.world.calls.has(Fault.CONDUCT) or chance.random() < 0.4:
            return "does"
        return chance.choice(ACTS)

    def _work(self, attempt: Attempt, reference: str, act: str, takes: int, life: int) -> None:
        if life != self.life:
            return
        scheduler = self.world.scheduler
        if act == "is mute":
            return
        if act == "dies" and self.rng.random() < 0.5:
            self._die_for_a_while()
            return
        if self.names or act == "lies" or self.rng.random() < 0.5:
            self._say_of(reference, "active")
        else:
            act = f"{act} at once"  # says active and idle at the end, 20 ms apart
        heartbeat = attempt.task_message.heartbeat
        if heartbeat is not None and act != "lies":
            self._beat(reference, scheduler.now + takes, heartbeat / 3, life)
        if act == "dies":
            scheduler.after(self.rng.uniform(0, takes / 1000), self._die_for_a_while)
        if act == "lies":
            scheduler.after(self.rng.uniform(0, takes / 1000), self.say_idle)
        scheduler.at(scheduler.now + takes, lambda: self._end(reference, act, life))

    def _beat(self, reference: str, until: int, seconds: float, life: int) -> None:
        if life != self.life or self.world.scheduler.now + seconds * 1000 >= until:
            return
        if self.own_word:
            self.world.request(
                "task_api", lambda at: at.own_word.heartbeat(reference, self.agent_id)
            )
        else:
            self._say_of(reference, "active")
        self.world.scheduler.after(seconds, lambda: self._beat(reference, until, seconds, life))

    def _end(self, reference: str, act: str, life: int) -> None:
        if life != self.life:
            return
        fails = act.startswith("fails")
        if self.own_word:
            self._own_word(reference, fails=fails)
            if not fails or self.rng.random() < 0.5:
                self.say_idle()
            return
        if act.endswith("at once"):
            self._say_of(reference, "active")
        later = self.world.scheduler.now + _APART_MS
        if fails:
            details = {"error": reference}
            self.world.scheduler.at(later, lambda: self._say_of(reference, "error", details))
            if self.rng.random() < 0.5:
                self.world.scheduler.after(3, self.say_idle)
        else:
            result = {"result": {"did": reference}}
            self.world.scheduler.at(later, lambda: self._say_of(reference, "idle", result))

    def _own_word(self, reference: str, *, fails: bool) -> None:
        def word(at: Services) -> None:
            if fails:
                at.own_word.fail(reference, self.agent_id, "AgentError", reference)
            else:
                at.own_word.complete(reference, self.agent_id, {"did": reference})

        self.world.insist("task_api", word, f"outcome of {reference}", tries=4)

    def _die_for_a_while(self) -> None:
        if self.alive:
            self.die()
            self.world.scheduler.after(self.rng.uniform(30, 600), self.restart)

    # ---- reports

    def _say_of(self, reference: str, state: str, details: dict[str, Any] | None = None) -> None:
        details = dict(details or {})
        if self.names:
            details["opscore_task_id"] = reference
        self.say(state, details, about=reference if self.names else None)

    def say_idle(self, *, insists: bool = False) -> None:
        """Say that it is free, and nothing of a task."""
        self.say("idle", None if self.names else dict(FREE), insists=insists)

    def say_idle_if_so(self) -> None:
        """What a program says that begins, or asks for work again and again."""
        if self.alive and not any(at > self.world.scheduler.now for at in self.free_at):
            self.say_idle(insists=True)

    def say(
        self,
        state: str,
        details: dict[str, Any] | None = None,
        *,
        about: str | None = None,
        insists: bool = False,
    ) -> None:
        """A report, which arrives as the network will have it."""
        attempt_id, fence = about.rsplit(".", 1) if about is not None else (None, None)
        at = (self.world.scheduler.now + self.skew_ms) * 1000 + self.rng.randint(0, 999)
        report = Report(
            state=state,
            at=at,
            timestamp=str(at),
            details=details,
            attempt_id=attempt_id,
            fence=None if fence is None else int(fence),
        )
        name = f"{self.agent_id} says {state} of {about}"

        def arrive() -> None:
            if insists:
                self.world.insist("state_api", take, name)
            else:
                self.world.request("state_api", take, name)

        def take(at: Services) -> None:
            at.reports.take(self.agent_id, report)

        times = 1
        if self.world.calls.has(Fault.REPORTS) and not insists:
            times = self.rng.choices((0, 1, 2), (3, 87, 10))[0]
            self._repeat_all(arrive)
        for _ in range(times):
            delay = self.rng.expovariate(50)
            if self.world.calls.has(Fault.REPORTS) and self.rng.random() < 0.2:
                delay += self.rng.expovariate(1 / 4)
            self.world.scheduler.after(delay, arrive)

    def _repeat_all(self, arrive: Action) -> None:
        """Something on the way to us may send the last few reports once more, all together."""
        self.last_words = [*self.last_words, arrive][-3:]
        if self.rng.random() < 0.1:
            delay = self.rng.expovariate(1 / 3)
            for word in self.last_words:
                self.world.scheduler.after(delay + self.rng.expovariate(50), word)


class SimulatedTransport:
    """AgentKit, or agents' own endpoints."""

    def __init__(self, world: World, *, shared: bool) -> None:
        self.shared = shared
        self._world = world

    def deliver(self, agent: Agent, attempt: Attempt, timeout_seconds: float) -> Delivered:
        assert timeout_seconds > 0
        calls, simulated = self._world.calls, self._world.programs[agent.agent_id]
        name = f"deliver {task_reference(attempt)} to {agent.agent_id}"
        answer = calls(name, lambda: self._answer(simulated, attempt, timeout_seconds))
        if answer is Delivered.NOT_SENT:
            calls.strike()
        return answer

    def _answer(self, agent: SimulatedAgent, attempt: Attempt, timeout_seconds: float) -> Delivered:
        world = self._world
        if self.shared and world.gateway_down:
            return Delivered.NOT_SENT
        chance = agent.chance_of(attempt).random()
        if world.calls.has(Fault.GATEWAY) and agent.names and chance < 0.03:
            agent.deliver(attempt)  # passed on, and answered with a bad status all the same
            return Delivered.NOT_SENT
        if world.calls.has(Fault.UNANSWERED) and 0.03 < chance < 0.09:
            if chance < 0.06:
                agent.deliver(attempt)
            world.scheduler.pause(timeout_seconds * 1000)
            return Delivered.UNANSWERED
        return agent.deliver(attempt)
