"""What a seed stands for: which agents, which sessions, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Any

CAPABILITIES = ("write", "check", "draw")
WORKFLOWS = ("first", "second")


class Fault(StrEnum):
    """What can go wrong; each is there or not in a whole run."""

    CRASHES = "crashes"
    """Workers die between two calls."""
    THROTTLING = "throttling"
    """AWS refuses a call."""
    UNSEEN = "unseen"
    """AWS carries a call out, and the caller gets an error or the answer to its own repetition."""
    SLOWNESS = "slowness"
    """A call takes seconds; some take longer than the function may."""
    STALE = "stale"
    """An index lacks what was written lately."""
    TWICE = "twice"
    """The queue delivers twice."""
    LATE = "late"
    """The queue delivers late and out of order."""
    GATEWAY = "gateway"
    """AgentKit is down for a while, or answers badly to what it has passed on."""
    UNANSWERED = "unanswered"
    """Requests to agents get no answer in time."""
    EVENTS = "events"
    """Status events get lost, come late and twice."""
    TOKENS = "tokens"
    """Tokens time out early; executions end in the middle."""
    PEOPLE = "people"
    """Sessions are paused, resumed, cancelled."""
    FLEET = "fleet"
    """Agents are deregistered, come back, learn capabilities."""
    CONDUCT = "conduct"
    """Agents crash, stall, fail, refuse, lie, answer late."""
    REPORTS = "reports"
    """Reports get lost, come late, twice, out of order."""


AWS_FAULTS = frozenset({Fault.CRASHES, Fault.THROTTLING, Fault.UNSEEN, Fault.SLOWNESS, Fault.STALE})
"""After these it is the sweeper that finds what was lost; without them nobody waits for it."""


@dataclass(frozen=True)
class Size:
    """Bounds of what a seed is drawn from: agents, sessions, minutes in which those start."""

    agents: tuple[int, int]
    sessions: tuple[int, int]
    minutes: tuple[int, int]


SIZES = {
    "tiny": Size((1, 4), (1, 4), (2, 5)),
    "crowd": Size((1, 4), (10, 30), (1, 3)),
    "small": Size((2, 14), (3, 24), (3, 15)),
    "large": Size((100, 300), (400, 800), (20, 40)),
}

MIXED = "mixed"
"""Each seed of one of the smaller sizes."""


@dataclass(frozen=True)
class Scenario:
    """A run, given by a seed and what is kept of it. Agents and sessions by their numbers: each is
    drawn by itself, so that the others stay as they are when one is left out.
    """

    seed: int
    size: str
    minutes: int
    agents: tuple[int, ...]
    sessions: tuple[int, ...]
    faults: frozenset[Fault]

    @classmethod
    def of(cls, seed: int, size: str = MIXED) -> Scenario:
        rng = Random(f"{seed}/scenario")
        drawn = rng.choice(("tiny", "crowd", "small", "small"))
        bounds = SIZES[drawn if size == MIXED else size]
        faults = {fault for fault in Fault if rng.random() < 0.5}
        if rng.random() < 0.4:
            faults -= AWS_FAULTS
        if rng.random() < 0.1:
            faults.clear()
        return cls(
            seed=seed,
            size=size,
            minutes=rng.randint(*bounds.minutes),
            agents=tuple(range(rng.randint(*bounds.agents))),
            sessions=tuple(range(rng.randint(*bounds.sessions))),
            faults=frozenset(faults),
        )

    @classmethod
    def parse(cls, text: str) -> Scenario:
        """A scenario as it prints itself: `7`, or `7/tiny/agents=0,2/sessions=1/faults=late`."""
        seed, *parts = text.split("/")
        given = dict(part.split("=", 1) for part in parts if "=" in part)
        sizes = [part for part in parts if "=" not in part]
        scenario = cls.of(int(seed), *sizes)
        if "agents" in given:
            scenario = replace(scenario, agents=_numbers(given["agents"]))
        if "sessions" in given:
            scenario = replace(scenario, sessions=_numbers(given["sessions"]))
        if "faults" in given:
            names = given["faults"].split(",")
            scenario = replace(scenario, faults=frozenset(Fault(n) for n in names if n))
        return scenario

    def __str__(self) -> str:
        whole = Scenario.of(self.seed, self.size)
        parts = [str(self.seed)]
        if self.size != MIXED:
            parts.append(self.size)
        if self.agents != whole.agents:
            parts.append(f"agents={_text(self.agents)}")
        if self.sessions != whole.sessions:
            parts.append(f"sessions={_text(self.sessions)}")
        if self.faults != whole.faults:
            parts.append(f"faults={_text(sorted(self.faults))}")
        return "/".join(parts)

    def rng(self, *of: object) -> Random:
        """Chance for one thing, whatever happens to the others."""
        return Random("/".join(map(str, (self.seed, *of))))

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Those that agents have and tasks ask for: the fewer, the more is in one list."""
        return CAPABILITIES[: self.rng("capabilities").randint(1, len(CAPABILITIES))]

    @property
    def pace(self) -> float:
        """How long work takes, as a share of what it may: the shorter, the more happens at once."""
        return self.rng("pace").choice((0.01, 0.1, 0.6))

    @property
    def slow_share(self) -> float:
        """How many calls are slow, so that others do much in the meantime."""
        return self.rng("slow").choice((0.05, 0.15, 0.4))

    def plan(self, session: int) -> dict[str, Any]:
        """The session's input, which is what its execution does: stages of tasks at once."""
        rng = self.rng("plan", session)
        stages = [
            [
                self._task(rng, f"{stage}-{number}", session)
                for number in range(rng.choice((1, 1, 1, 2, 3)))
            ]
            for stage in range(rng.choice((1, 1, 2, 3)))
        ]
        return {"stages": stages}

    def _task(self, rng: Random, name: str, session: int) -> dict[str, Any]:
        task: dict[str, Any] = {
            "taskId": name,
            "parameters": {"session": session},
            "timeout": rng.choice((20, 40, 90)),
            "waitTimeout": rng.choice((60, 240, 600)),
            "heartbeat": rng.choice((None, None, None, 10)),
            "priority": rng.choice((5, 5, 5, 0, 9)),
            "retries": rng.choice((0, 1, 3)),
            "fallback": rng.choice((None, None, rng.choice(self.capabilities))),
        }
        if rng.random() < 0.15:
            return task | {"agentId": agent_name(rng.choice(self.agents or (0,)))}
        return task | {"agentCapability": rng.choice(self.capabilities)}


def agent_name(number: int) -> str:
    return f"agent-{number}"


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(",") if number)


def _text(parts: Iterable[object]) -> str:
    return ",".join(map(str, parts))
