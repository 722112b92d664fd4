"""Many at once: exactly one wins, over the fake as over DynamoDB."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from opscore.errors import AgentNotFound, ApprovalClosed, Contended, OutcomeDiffers, StaleFence
from opscore.models.messages import TaskMessage
from opscore.models.outcome import Outcome
from opscore.models.policy import PolicyKind, Subject
from opscore.models.quarantine import Quarantined
from opscore.models.session import SessionStatus
from opscore.models.task import AttemptStatus
from opscore.ports import Change, Execution, Item, Key, Page, Put, Store, Table, Update
from opscore.records import keys
from opscore.services.approvals import Word
from opscore.services.dispatch import NotNow
from opscore.services.policies import Wanted
from opscore.services.replay import How, Replayed
from opscore.services.sessions import StartRequest
from opscore.services.signals import Signal
from tests.support.fleet import Fleet
from tests.support.memory import MemoryMachines, MemoryTokens

MANY = 8

LOST = (AgentNotFound, ApprovalClosed, Contended, NotNow, OutcomeDiffers, StaleFence)


class OneAtATime:
    """A store that takes one request at a time, as a table does of each item; moto does not see
    to that itself. What happens between requests is left to chance.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()

    def get(self, key: Key) -> Item | None:
        with self._lock:
            return self._store.get(key)

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Item]:
        with self._lock:
            return self._store.get_many(keys)

    def query(self, table: Table, pk: str, **more: Any) -> Page:
        with self._lock:
            return self._store.query(table, pk, **more)

    def query_index(self, table: Table, index: str, partition: str, **more: Any) -> Page:
        with self._lock:
            return self._store.query_index(table, index, partition, **more)

    def write(self, *changes: Change) -> None:
        with self._lock:
            self._store.write(*changes)


@pytest.fixture(autouse=True)
def _restless() -> Iterator[None]:
    """Threads that change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def fleet(store: Store) -> Fleet:
    return Fleet(store=OneAtATime(store))


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """What each action returned or raised, all begun together."""
    start = threading.Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return action()
        except LOST as error:
            return error

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def names(name: str, *parts: str) -> list[str]:
    return [f"{name}-{part}" for part in parts]


def test_of_many_writers_of_one_revision_one_wins(store: Store, name: str) -> None:
    shared, key = OneAtATime(store), Key(Table.WORK, name, "a")
    shared.write(Put(key, {"n": 0}, rev=0))

    def write(number: int) -> int | None:
        try:
            shared.write(Put(key, {"n": number}, rev=1))
        except Exception:  # noqa: BLE001 (lost, whatever the reason)
            return None
        return number

    outcomes = at_once(*(lambda number=number: write(number) for number in range(1, MANY)))

    (winner,) = [number for number in outcomes if number is not None]
    assert store.get(key) == {"n": winner, "rev": 2}


def test_no_update_is_lost(store: Store, name: str) -> None:
    shared, key = OneAtATime(store), Key(Table.WORK, name, "a")
    shared.write(Put(key, {}, rev=0))

    at_once(
        *(
            lambda number=number: shared.write(Update(key, {f"n{number}": number}, expect={}))
            for number in range(MANY)
        )
    )

    assert store.get(key) == {f"n{n}": n for n in range(MANY)} | {"rev": MANY + 1}


def the_task(fleet: Fleet, name: str, number: int = 0) -> TaskMessage:
    return fleet.message(
        f"{name}-{number}", session_id=name, task_id=f"t{number}", agent_capability=name
    )


def test_one_idle_agent_gets_one_of_many_tasks_and_the_others_wait(fleet: Fleet, name: str) -> None:
    fleet.agent(name, name)
    tasks = [the_task(fleet, name, number) for number in range(MANY)]

    outcomes = at_once(*(lambda task=task: fleet.dispatch(task) for task in tasks))

    assert outcomes == [None] * MANY
    assert len(fleet.transport.delivered) == 1
    assert len(fleet.agents.get(name).leases) == 1
    statuses = sorted(fleet.attempt(task).status for task in tasks)
    assert statuses == [AttemptStatus.PARKED] * (MANY - 1) + [AttemptStatus.SENT]


def test_a_message_delivered_to_many_workers_is_dispatched_once(fleet: Fleet, name: str) -> None:
    for agent_id in names(name, "a", "b", "c"):
        fleet.agent(agent_id, name)
    task = the_task(fleet, name)

    at_once(*(lambda: fleet.dispatch(task) for _ in range(MANY)))

    assert len(fleet.transport.delivered) == 1
    assert fleet.attempt(task).status is AttemptStatus.SENT
    assert sum(len(fleet.agents.get(a).leases) for a in names(name, "a", "b", "c")) == 1


def test_of_many_outcomes_one_is_accepted(fleet: Fleet, name: str) -> None:
    fleet.agent(name, name)
    task = the_task(fleet, name)
    fleet.dispatch(task)
    reference = fleet.reference(task)

    outcomes = at_once(
        *(
            lambda number=number: fleet.own_word.complete(reference, name, number)
            for number in range(MANY)
        )
    )

    (winner,) = [n for n, o in enumerate(outcomes) if not isinstance(o, OutcomeDiffers)]
    assert outcomes[winner] == Outcome.success(winner)
    assert isinstance(fleet.tokens, MemoryTokens)
    assert fleet.tokens.answers[task.token] == ("succeeded", str(winner))
    assert fleet.attempt(task).status is AttemptStatus.CLOSED


def test_an_outcome_and_a_timeout_make_one_answer(fleet: Fleet, name: str) -> None:
    fleet.agent(name, name)
    task = the_task(fleet, name)
    fleet.dispatch(task)
    reference = fleet.reference(task)
    fleet.clock.forward(60)

    spoken, *_ = at_once(
        lambda: fleet.own_word.complete(reference, name, "done"),
        *(lambda: fleet.dispatcher.deadline(task.attempt_id, 1) for _ in range(3)),
    )

    assert isinstance(fleet.tokens, MemoryTokens)
    status, word = fleet.tokens.answers[task.token]
    assert (status == "succeeded") == isinstance(spoken, Outcome)
    assert status == "succeeded" or word.startswith("AgentTimeout")
    assert fleet.agents.get(name).leases == {}


@pytest.mark.parametrize("round_number", range(5))
def test_a_report_at_the_moment_of_its_registration_is_not_lost(
    fleet: Fleet, name: str, round_number: int
) -> None:
    agent_id = f"{name}-{round_number}"

    at_once(
        lambda: fleet.says(agent_id, "idle", {"load": 1}),
        lambda: fleet.agent(agent_id, name, state=None),
    )

    agent = fleet.agents.get(agent_id)
    assert (agent.state, agent.details) == ("idle", {"load": 1})
    assert agent.idle_since is not None


def test_active_and_idle_at_the_same_moment_end_the_task(fleet: Fleet, name: str) -> None:
    fleet.agent(name, name)
    task = the_task(fleet, name)
    fleet.dispatch(task)
    now = fleet.clock()

    at_once(
        lambda: fleet.says(name, "active", at=now + 10),
        lambda: fleet.says(name, "idle", {"result": 1}, at=now + 30),
    )

    assert isinstance(fleet.tokens, MemoryTokens)
    assert fleet.tokens.answers[task.token] == ("succeeded", "1")
    assert fleet.agents.get(name).state == "idle"


def test_waiting_tasks_and_agents_that_become_idle_all_meet(fleet: Fleet, name: str) -> None:
    agents = names(name, *map(str, range(MANY)))
    for agent_id in agents:
        fleet.agent(agent_id, name, state="active")
    tasks = [the_task(fleet, name, number) for number in range(MANY)]

    at_once(
        *(lambda task=task: fleet.dispatch(task) for task in tasks),
        *(lambda agent_id=agent_id: fleet.says(agent_id, "idle") for agent_id in agents),
    )
    fleet.settle()

    assert {fleet.attempt(task).status for task in tasks} == {AttemptStatus.SENT}
    assert sorted(agent_id for agent_id, _ in fleet.transport.delivered) == sorted(agents)


def test_of_many_words_on_an_approval_one_counts(fleet: Fleet, name: str) -> None:
    step = fleet.approval(token=name, session_id=name)
    fleet.dispatch(step)
    words = [Word(number % 2 == 0, f"p{number}", "") for number in range(MANY)]

    outcomes = at_once(
        *(lambda word=word: fleet.approvals.answer(step.attempt_id, word) for word in words)
    )

    closed = [outcome for outcome in outcomes if isinstance(outcome, ApprovalClosed)]
    assert len(closed) == MANY - 1
    (winner,) = [word for word, o in zip(words, outcomes, strict=True) if o not in closed]
    assert isinstance(fleet.tokens, MemoryTokens)
    status, _ = fleet.tokens.answers[step.token]
    assert (status == "succeeded") == winner.approved


@pytest.mark.parametrize("round_number", range(3))
def test_signals_and_the_steps_that_wait_for_them_all_meet(
    fleet: Fleet, name: str, round_number: int
) -> None:
    session = f"{name}-{round_number}"
    steps = [
        fleet.signal(token=f"{session}-{n}", session_id=session, task_id=f"t{n}") for n in range(3)
    ]

    outcomes = at_once(
        *(lambda step=step: fleet.dispatch(step) for step in steps),
        *(lambda n=n: fleet.signals.send(Signal(session, "go", n)) for n in range(3)),
    )

    # Whoever found others in the way each time comes again, as its message or its caller does.
    for step, outcome in zip(steps, outcomes, strict=False):
        if outcome is not None:
            fleet.dispatch(step)
    for number, outcome in enumerate(outcomes[3:]):
        if outcome is not None:
            fleet.signals.send(Signal(session, "go", number))
    assert isinstance(fleet.tokens, MemoryTokens)
    given = [fleet.tokens.answers[step.token] for step in steps]
    assert sorted(given) == [("succeeded", str(number)) for number in range(3)]


def test_a_signal_and_a_timeout_lose_neither_the_signal_nor_the_step(
    fleet: Fleet, name: str
) -> None:
    step = fleet.signal(token=name, session_id=name, timeout=60)
    fleet.dispatch(step)
    fleet.clock.forward(60)

    at_once(
        lambda: fleet.signals.send(Signal(name, "go", 1)),
        *(lambda: fleet.dispatcher.deadline(step.attempt_id, 0) for _ in range(3)),
    )
    other = fleet.signal(token=f"{name}-next", session_id=name, task_id="next")
    fleet.dispatch(other)

    assert isinstance(fleet.tokens, MemoryTokens)
    given = [fleet.tokens.answers.get(token, ("", ""))[0] for token in (name, other.token)]
    assert given in (["succeeded", ""], ["failed", "succeeded"])


def test_a_childs_end_and_its_timeout_make_one_answer(fleet: Fleet, name: str) -> None:
    fleet.workflows.apply(
        name, {"id": name, "name": "W", "tasks": [{"taskId": "t", "agentCapability": "c"}]}
    )
    step = fleet.child(name, token=name, session_id=name, timeout=60)
    fleet.dispatch(step)
    child_id = fleet.attempt(step).child_session_id
    assert child_id is not None
    fleet.clock.forward(60)

    at_once(
        lambda: fleet.recording.event(child_id, Execution("SUCCEEDED", output="1")),
        lambda: fleet.dispatcher.deadline(step.attempt_id, 0),
    )
    fleet.settle()

    assert isinstance(fleet.tokens, MemoryTokens)
    status, _ = fleet.tokens.answers[name]
    ended = fleet.sessions.get(child_id)
    assert (status, str(ended.status)) in (("succeeded", "completed"), ("failed", "cancelled"))
    assert ended.cleaned


def limited(fleet: Fleet, name: str, slots: int) -> tuple[list[str], list[TaskMessage]]:
    """Agents and tasks, as many of each, under a limit of their capability."""
    agents = names(name, *map(str, range(MANY)))
    for agent_id in agents:
        fleet.agent(agent_id, name)
    fleet.policies.limit(Subject(PolicyKind.CAPABILITY, name), Wanted(slots, None, None), "", "")
    return agents, [the_task(fleet, name, number) for number in range(MANY)]


def holding(fleet: Fleet, agents: Sequence[str]) -> int:
    return sum(len(fleet.agents.get(agent_id).leases) for agent_id in agents)


@pytest.mark.parametrize("slots", [1, 3])
def test_many_claims_at_once_take_no_more_slots_than_there_are(
    fleet: Fleet, name: str, slots: int
) -> None:
    agents, tasks = limited(fleet, name, slots)

    at_once(*(lambda task=task: fleet.dispatch(task) for task in tasks))
    fleet.settle()

    assert holding(fleet, agents) == len(fleet.transport.delivered) == slots


def test_slots_are_given_back_once_and_each_lets_one_more_through(fleet: Fleet, name: str) -> None:
    agents, tasks = limited(fleet, name, 3)
    at_once(*(lambda task=task: fleet.dispatch(task) for task in tasks))
    fleet.settle()

    while running := [t for t in tasks if fleet.attempt(t).status is AttemptStatus.SENT]:
        at_once(
            *(
                lambda task=task: fleet.own_word.complete(fleet.reference(task), None, 1)
                for task in running
                for _ in range(2)
            ),
            *(lambda task=task: fleet.dispatcher.deadline(task.attempt_id, 1) for task in running),
        )
        for agent_id in agents:
            fleet.says(agent_id, "idle")
        fleet.settle()
        assert holding(fleet, agents) <= 3

    assert {fleet.attempt(task).status for task in tasks} == {AttemptStatus.CLOSED}
    counter = fleet.store.get(keys.counter(f"capability#{name}#0"))
    assert counter is not None
    assert counter["used"] == 0


@pytest.mark.parametrize("what", list(Quarantined))
def test_of_claims_that_race_a_quarantine_none_is_left(
    fleet: Fleet, name: str, what: Quarantined
) -> None:
    agents = names(name, "a", "b", "c")
    for agent_id in agents:
        fleet.agent(agent_id, name, version=name)
    tasks = [the_task(fleet, name, number) for number in range(MANY)]
    subjects = agents if what is Quarantined.AGENT else [name]

    at_once(
        *(lambda task=task: fleet.dispatch(task) for task in tasks),
        *(
            lambda subject=subject: fleet.quarantines.impose(what, subject, "why", "me")
            for subject in subjects
        ),
    )

    assert [fleet.agents.get(agent_id).leases for agent_id in agents] == [{}] * len(agents)
    statuses = {fleet.attempt(task).status for task in tasks}
    assert statuses <= {AttemptStatus.PARKED, AttemptStatus.CLOSED}

    for subject in subjects:
        fleet.quarantines.lift(what, subject, "me")
    for agent_id in agents:
        fleet.says(agent_id, "idle")
    fleet.settle()
    waiting = [task for task in tasks if fleet.attempt(task).status is AttemptStatus.PARKED]
    held = sum(len(fleet.agents.get(agent_id).leases) for agent_id in agents)
    assert held == len(agents) or not waiting


def test_one_idempotency_key_starts_one_session(fleet: Fleet, name: str) -> None:
    fleet.workflows.apply(
        name, {"id": name, "name": "W", "tasks": [{"taskId": "t", "agentCapability": "c"}]}
    )
    request = StartRequest(name, None, {}, idempotency_key=name)

    sessions = at_once(*(lambda: fleet.sessions.start(request) for _ in range(MANY)))

    assert len({session.session_id for session in sessions}) == 1
    assert isinstance(fleet.machines, MemoryMachines)
    assert len(fleet.machines.executions) == 1


def test_of_many_who_replay_a_sessions_letters_one_begins_it(fleet: Fleet, name: str) -> None:
    machine_arn = fleet.machines.create(name, "{}")
    old = fleet.session(name, status=SessionStatus.FAILED, machine_arn=machine_arn)
    for number in range(3):
        message = the_task(fleet, name, number)
        fleet.dead_letters.record(f"{name}-m{number}", message.model_dump_json(by_alias=True), 7)

    outcomes = at_once(
        *(
            lambda number=number: fleet.replays.replay(f"{name}-m{number % 3}", How())
            for number in range(MANY)
        )
    )

    (rerun,) = fleet.sessions.get(old.session_id).reruns
    assert {one.session_id for one in outcomes if isinstance(one, Replayed)} == {rerun}
    for number in range(3):
        assert fleet.replays.replay(f"{name}-m{number}", How()).session_id == rerun
        assert fleet.letterbox.get(f"{name}-m{number}")[0].replayed_as == rerun
