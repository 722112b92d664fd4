"""What must hold of a deployment: after each write, as time passes, and at the end."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from opscore.lifecycle.agents import eligible, free_slots, settled
from opscore.lifecycle.attempts import LEASED, task_with
from opscore.lifecycle.sessions import FINAL, of_execution
from opscore.models.agent import Agent
from opscore.models.messages import (
    AttemptMessage,
    Message,
    ReconsiderMessage,
    ResumeMessage,
    TaskMessage,
    WakeMessage,
)
from opscore.models.outcome import Outcome, TaskError
from opscore.models.session import SessionStatus
from opscore.models.task import Attempt, AttemptStatus, TriedHow
from opscore.ports import Item, Key, Table
from opscore.records import keys
from opscore.records.codec import decode, text
from opscore.records.waiting import SESSION_LIST, capability_of
from opscore.settings import TransportName
from tests.simulation.agents import FREE

if TYPE_CHECKING:
    from tests.simulation.world import World

Items = Mapping[Key, Item | None]

PROMISED_SWEEPS = 2
"""Sweeps after which all that a fault has broken must have been found."""

OVERDUE_MS = 200_000
"""How long after its time a thing may be looked at, with a sweep each minute."""

_TIME_MS = 60_000
"""What may lie between a worker's look at the clock and its write."""


class Invariants:
    """Looks at everything; `broken` says what was found wrong, and where."""

    def __init__(self, world: World) -> None:
        self.broken: list[str] = []
        self.open_attempts: set[str] = set()
        self._world = world
        self._parked: set[str] = set()
        self._idle: set[str] = set()
        self._due: dict[Key, int] = {}
        self._attempts: set[str] = set()
        self._lost: set[str] = set()
        self._sweeps: list[int] = []
        self._moved = False

    def _break(self, name: str, what: str) -> None:
        line = f"{name}: {what}"
        self.broken.append(line)
        self._world.trace(f"BROKEN {line}")

    def unforeseen(self, function: str, error: BaseException) -> None:
        """A function raised what nobody meant it to."""
        way = "".join(traceback.format_exception(error)[-3:])
        self._break("unforeseen error", f"{function} raised {error!r}\n{way}")

    def _get(self, key: Key) -> Item | None:
        return self._world.watched.seen.get(key)

    # ---- after each write

    def written(self, before: Items) -> None:
        """Look at what a write has changed."""
        for key, old in before.items():
            new = self._get(key)
            kind = key.pk.split("#", 1)[0]
            match kind:
                case "attempt":
                    self._attempt(old, new)
                case "agent":
                    self._agent(old, new)
                case "session" if key.sk == "session":
                    self._session(old, new)
                case "breaker":
                    self._world.calls.strike()
                case "flag" if new is None:
                    self._flag_lowered(key.pk.removeprefix("flag#"))
            if kind in ("attempt", "agent", "session", "flag"):
                due = None if new is None else new.get("dueAt")
                if isinstance(due, int):
                    self._due[key] = due
                else:
                    self._due.pop(key, None)
                self._moved = True

    def _attempt(self, old: Item | None, new: Item | None) -> None:
        if new is None:
            self._break("no task is lost", f"attempt {old} was deleted")
            return
        attempt_id, status = str(new["attemptId"]), new["status"]
        self._attempts.add(attempt_id)
        (self.open_attempts.discard if status == "CLOSED" else self.open_attempts.add)(attempt_id)
        (self._parked.add if status == "PARKED" else self._parked.discard)(attempt_id)
        if old is not None:
            self._attempt_moved(attempt_id, old, new)
        if new.get("outcome") is not None and (old is None or old.get("outcome") is None):
            self._decided(decode(Attempt, new))
        if status in LEASED and attempt_id not in self._lost:
            lease = self._lease(new.get("agentId"), attempt_id)
            if lease is None or lease["fence"] != new["fence"]:
                self._break("a lease for who holds a task", f"{attempt_id} {status}, lease {lease}")
        if status == "PARKED":
            self._waits(attempt_id, new)
        if status == "CLOSED":
            self._closed(decode(Attempt, new))

    def _attempt_moved(self, attempt_id: str, old: Item, new: Item) -> None:
        status = new["status"]
        if old["status"] == "CLOSED" and status != "CLOSED":
            self._break("final states never change", f"{attempt_id} was closed, is {status}")
        if int(new["fence"] or 0) < int(old["fence"] or 0):
            self._break("fences grow", f"{attempt_id}: {old['fence']}, then {new['fence']}")
        if old.get("outcome") not in (None, new.get("outcome")):
            self._break(
                "one accepted outcome", f"{attempt_id}: {old['outcome']}, then {new.get('outcome')}"
            )
        released = status in ("CLOSED", "RECEIVED", "PARKED") and old.get("agentId") is not None
        if released and self._lease(old["agentId"], attempt_id) is not None:
            self._break("leases are released", f"{attempt_id} {status}, held by {old['agentId']}")
        if old["status"] == "PARKED" and old.get("waitingKey") != new.get("waitingKey"):
            entry = keys.waiting_entry(str(old["waitingList"]), str(old["waitingKey"]))
            if self._get(entry) is not None:
                self._break("no entry of what waits no more", f"{attempt_id} {status}, {entry}")

    def _closed(self, attempt: Attempt) -> None:
        sfn, token = self._world.step_functions, attempt.message.token
        session = self._get(keys.session(attempt.session_id)) or {}
        # The execution of a cancelled session is about to be stopped, and its tokens with it.
        stops = attempt.superseded and session.get("status") == SessionStatus.CANCELLED
        if token not in sfn.answers and token not in sfn.dead and not stops:
            self._break("a token is answered, or dead", f"{attempt.attempt_id} closed, {token}")

    def _waits(self, attempt_id: str, item: Item) -> None:
        name = str(item["waitingList"])
        if self._get(keys.waiting_entry(name, str(item["waitingKey"]))) is None:
            self._break("who waits is in a list", f"{attempt_id} is not in {name}")
        if self._get(keys.flag(name)) is None:
            self._break("lists with entries have flags", f"{name} has {attempt_id} and no flag")

    def _flag_lowered(self, name: str) -> None:
        left = self._world.watched.seen.query(Table.AGENTS, keys.waiting(name), limit=5).items
        for _, item in left:
            attempt = self._get(keys.attempt(str(item["attemptId"])))
            if attempt is not None and attempt.get("waitingKey") == item["sort"]:
                self._break("lists with entries have flags", f"{name} has {item['attemptId']}")

    def _decided(self, attempt: Attempt) -> None:
        """An outcome is what really happened: of this attempt, by this hand-over, at this time."""
        outcome, now = attempt.outcome, self._world.clock()
        assert outcome is not None
        reference = f"{attempt.attempt_id}.{attempt.fence}"
        match outcome.error_code:
            case None:
                told = outcome.result
                agent = self._world.programs.get(attempt.agent_id or "")
                guessed = agent is not None and not agent.names and told == FREE
                if told != {"did": reference} and not guessed:
                    self._break("the outcome is the task's own", f"{reference} got {told}")
            case TaskError.AGENT_ERROR if outcome.message != reference:
                self._break("the outcome is the task's own", f"{reference}: {outcome.message}")
            case TaskError.AGENT_TIMEOUT if now < (attempt.deadline or 0):
                self._break("no time-out too early", f"{reference}, {attempt.deadline}")
            case TaskError.NO_AGENT_AVAILABLE if now < (attempt.wait_deadline or now):
                self._break("no time-out too early", f"{reference}, {attempt.wait_deadline}")

    def _lease(self, agent_id: object, attempt_id: str) -> dict[str, Any] | None:
        agent = self._get(keys.agent(str(agent_id)))
        if agent is None:
            return None
        found: dict[str, Any] | None = _leases(agent).get(attempt_id)
        return found

    def _agent(self, old: Item | None, new: Item | None) -> None:
        held = {} if old is None else _leases(old)
        if new is None:
            self._lost |= set(held)
            self._idle.discard(str((old or {}).get("agentId")))
            return
        agent = decode(Agent, new)
        (self._idle.discard if agent.idle_since is None else self._idle.add)(agent.agent_id)
        if agent.leases.keys() - held.keys() and free_slots(agent) < 0:
            self._break("leases fit into slots", f"{agent.agent_id} holds {list(agent.leases)}")
        for lease in agent.leases.values():
            attempt = self._get(keys.attempt(lease.attempt_id)) or {}
            holder = (attempt.get("agentId"), attempt.get("fence"))
            if holder != (agent.agent_id, lease.fence) or attempt["status"] not in _HELD:
                self._break("a lease is of a task in hand", f"{agent.agent_id} has {lease}")
        now = self._world.clock()
        if agent.idle_since is not None and not eligible(agent, now):
            self._break("who is listed idle can take work", f"{agent}")
        if agent.idle_since is None and eligible(agent, now - _TIME_MS):
            self._break("who can take work is listed idle", f"{agent}")
        shards = self._world.settings.capability_shards
        for capability in agent.capabilities if agent.idle_since is not None else ():
            assert agent.idle_since is not None
            entry = keys.idle_entry(capability, agent.agent_id, agent.idle_since, shards)
            if self._get(entry) is None:
                self._break("who can take work is listed idle", f"{agent.agent_id}, {capability}")

    def _session(self, old: Item | None, new: Item | None) -> None:
        if old is None or old["status"] not in FINAL:
            return
        for name in ("status", "result", "error", "endTime"):
            if new is None or old.get(name) != new.get(name):
                self._break("final states never change", f"session {old} became {new}")
                return

    # ---- as time passes

    def swept(self, begun: int) -> None:
        """A sweep that was begun then has ended well."""
        self._sweeps = [*self._sweeps, begun][-PROMISED_SWEEPS:]
        self._moved = True
        if not self._all_found():
            return
        now = self._world.clock()
        for key, due in self._due.items():
            if due < now - OVERDUE_MS:
                self._break("what is due is looked at", f"{key.pk} was due {now - due} ms ago")
        for attempt_id in sorted(self.open_attempts):
            item = self._get(keys.attempt(attempt_id)) or {}
            ends = item.get("sendingUntil" if item.get("status") == "SENDING" else "deadline")
            if isinstance(ends, int) and ends < now - OVERDUE_MS and item["status"] in LEASED:
                self._break("no lease outlives its time", f"{attempt_id} is {item['status']}")

    def _all_found(self) -> bool:
        """Whether there were sweeps enough since a fault last struck."""
        last = self._world.calls.last_fault
        return last == 0 or (
            len(self._sweeps) == PROMISED_SWEEPS and all(begun > last for begun in self._sweeps)
        )

    def time_passes(self) -> None:
        """Nothing waits without someone who will wake it: neither a worker nor a message."""
        if not self._moved or self._world.scheduler.workers:
            return
        self._moved = False
        if self._parked and self._all_found():
            waiting = list(self._world.sqs.waiting())
            for attempt_id in sorted(self._parked):
                self._may_wait(attempt_id, waiting)

    def _may_wait(self, attempt_id: str, messages: list[Message]) -> None:
        item = self._get(keys.attempt(attempt_id))
        assert item is not None
        attempt = decode(Attempt, item)
        session = self._get(keys.session(attempt.session_id)) or {}
        name = attempt.waiting_list or ""
        if session.get("status") not in (SessionStatus.STARTED, SessionStatus.RUNNING):
            return
        if any(_goes_on(message, attempt) for message in messages):
            return
        if name.startswith(SESSION_LIST) and capability_of(name) is None:
            self._break("no task waits unseen", f"{attempt_id} is held, its session is not")
            return
        for agent_id in sorted(self._idle):
            if self._could_take(agent_id, attempt) and not any(
                _wakes(message, agent_id, name) for message in messages
            ):
                self._break("no task waits unseen", f"{attempt_id} in {name}, {agent_id} is idle")

    def _could_take(self, agent_id: str, attempt: Attempt) -> bool:
        found = self._get(keys.agent(agent_id))
        if found is None:
            return False
        agent, message = decode(Agent, found), attempt.task_message
        if settled(agent, self._world.clock()).idle_since is None:
            return False
        if self._get(keys.breaker(agent.transport or TransportName.AGENTKIT)) is not None:
            return False  # the gateway is left alone, and tried now and then
        if agent_id in attempt.refused_by:
            return False
        if message.agent_id is not None:
            return message.agent_id == agent_id
        work = self._world.watched_tasks.work(
            attempt.attempt_id, attempt.session_id, message.task_key
        )
        tried = task_with(attempt, work.task).tried
        return (
            message.agent_capability in agent.capabilities
            and tried.get(agent_id) is not TriedHow.TIMED_OUT
        )

    # ---- at the end

    def at_rest(self) -> None:
        """Look at everything, when there is nothing left to do."""
        for line in [*self._sessions(), *self._tokens(), *self._leftovers()]:
            self._break("everything ends", line)

    def _sessions(self) -> Iterator[str]:
        world = self._world
        for number in world.scenario.sessions:
            session_id = world.starts.get(number)
            session = None if session_id is None else world.session_records.get(session_id)
            if session is None:
                yield f"session {number} was never started"
                continue
            how = world.step_functions.executions.get(
                (session.machine_arn or "", session.session_id)
            )
            if session.status not in FINAL or not session.cleaned:
                yield f"session {session.session_id} is {session.status}"
            elif how is None:
                if session.status is not SessionStatus.CANCELLED:
                    yield f"session {session.session_id} has no execution"
            elif session.status is SessionStatus.CANCELLED:
                # It may have come to its own end just before it was to be stopped.
                if how.status == "RUNNING":
                    yield f"session {session.session_id} is cancelled, its execution runs"
            elif session.status is not of_execution(how.status):
                yield f"session {session.session_id} is {session.status}, its execution {how}"
            elif how.output is not None and text(session.result) != how.output:
                yield f"session {session.session_id} has {session.result}, its execution {how}"

    def _tokens(self) -> Iterator[str]:
        sfn = self._world.step_functions
        for token in sfn.tokens:
            if token not in sfn.answers and token not in sfn.dead:
                yield f"token {token} was never answered"
            if len(sfn.given.get(token, ())) > 1:
                yield f"token {token} was given several answers: {sfn.given[token]}"
            found = self._get(keys.attempt(sfn.attempt_of[token]))
            if found is None or token not in sfn.answers:
                continue
            attempt = decode(Attempt, found)
            if attempt.outcome is None or _answer(attempt.outcome) != sfn.answers[token]:
                yield f"token {token} got {sfn.answers[token]}, on record is {attempt.outcome}"

    def _leftovers(self) -> Iterator[str]:
        yield from (f"attempt {attempt_id} is open" for attempt_id in sorted(self.open_attempts))
        yield from (f"in the queue: {held}" for held in self._world.sqs.held.values())
        shards = range(self._world.settings.capability_shards)
        for program in self._world.programs.values():
            found = self._get(keys.agent(program.agent_id))
            if found is not None and _leases(found):
                yield f"{program.agent_id} holds {found['leases']}"
            for capability in program.capabilities:
                for shard in shards:
                    yield from self._wrong_idle(keys.idle(capability, shard))
                    list_name = f"{capability}#{shard}"
                    for _, item in self._world.watched.seen.query(
                        Table.AGENTS, keys.waiting(list_name), limit=5
                    ).items:
                        yield f"in {list_name}: {item}"

    def _wrong_idle(self, partition: str) -> Iterator[str]:
        for key, _ in self._world.watched.seen.query(Table.AGENTS, partition, limit=1_000).items:
            since, agent_id = key.sk.split("#", 1)
            agent = self._get(keys.agent(agent_id))
            if agent is None or agent.get("idleSince") != int(since):
                yield f"idle entry of nobody: {partition} {key.sk}"


_HELD = (*LEASED, AttemptStatus.COMPLETING)


def _leases(agent: Item) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(str(agent.get("leases") or "{}"))
    return found


def _answer(outcome: Outcome) -> tuple[str, str]:
    if outcome.succeeded:
        return "succeeded", text(outcome.result)
    return "failed", f"{outcome.error_code}: {outcome.message}"


def _goes_on(message: Message, attempt: Attempt) -> bool:
    """Whether the message will have the attempt looked at."""
    match message:
        case TaskMessage() | AttemptMessage():
            return message.attempt_id == attempt.attempt_id
        case ResumeMessage(session_id=session_id):
            return session_id == attempt.session_id
        case _:
            return False


def _wakes(message: Message, agent_id: str, list_name: str) -> bool:
    """Whether the message will have the agent look into the list."""
    match message:
        case WakeMessage():
            return message.agent_id == agent_id and list_name in message.lists
        case ReconsiderMessage():
            return message.agent_id == agent_id
        case _:
            return False
