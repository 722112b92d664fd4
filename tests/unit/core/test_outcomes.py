"""Each token gets exactly one answer, or is known to be dead."""

from __future__ import annotations

import itertools
import json

import pytest

from opscore.errors import DependencyFailed, OutcomeDiffers, StaleFence, TaskNotFound
from opscore.models.messages import TaskMessage
from opscore.models.outcome import Outcome
from opscore.models.task import AttemptStatus
from opscore.ports import Delivered
from opscore.services.outcomes import RESEND_MS
from tests.support.fleet import Fleet
from tests.support.interruption import InterruptedStore
from tests.support.memory import MemoryTokens


class MuteTokens(MemoryTokens):
    """Step Functions that does not answer until told."""

    mute = True

    def _take(self, token: str, answer: tuple[str, str]) -> None:
        if self.mute:
            raise DependencyFailed("Step Functions answered ThrottlingException; try again")
        super()._take(token, answer)


def answers(fleet: Fleet) -> dict[str, tuple[str, str]]:
    assert isinstance(fleet.tokens, MemoryTokens)
    return fleet.tokens.answers


def sent(fleet: Fleet) -> tuple[TaskMessage, str]:
    """A task with agent a, and what the agent calls it."""
    fleet.agent("a")
    message = fleet.message("token")
    fleet.dispatch(message)
    return message, fleet.reference(message)


# ---- an agent's own word


def test_a_completed_task_gives_its_result_to_its_workflow(fleet: Fleet) -> None:
    message, reference = sent(fleet)

    fleet.own_word.complete(reference, "a", {"text": "ä", "n": 1.5, "none": None})

    status, output = answers(fleet)["token"]
    assert (status, json.loads(output)) == ("succeeded", {"text": "ä", "n": 1.5, "none": None})
    attempt = fleet.attempt(message)
    assert (attempt.status, attempt.superseded) == (AttemptStatus.CLOSED, False)
    assert fleet.agents.get("a").leases == {}


@pytest.mark.parametrize("result", [None, "", 0, False, [], {}])
def test_any_result_is_a_result(fleet: Fleet, result: None) -> None:
    _, reference = sent(fleet)

    fleet.own_word.complete(reference, None, result)

    assert answers(fleet)["token"] == ("succeeded", json.dumps(result))


def test_a_failed_task_gives_its_error_to_its_workflow(fleet: Fleet) -> None:
    _, reference = sent(fleet)

    fleet.own_word.fail(reference, "a", "DiskFull", "no room")

    assert answers(fleet)["token"] == ("failed", "DiskFull: no room")


def test_the_same_word_again_gets_the_same_answer_and_is_told_once(fleet: Fleet) -> None:
    _, reference = sent(fleet)

    for _ in range(3):
        fleet.own_word.complete(reference, "a", {"x": 1})

    assert answers(fleet) == {"token": ("succeeded", '{"x":1}')}


def test_another_word_after_the_first_is_refused(fleet: Fleet) -> None:
    _, reference = sent(fleet)
    fleet.own_word.complete(reference, "a", {"x": 1})

    with pytest.raises(OutcomeDiffers):
        fleet.own_word.complete(reference, "a", {"x": 2})
    with pytest.raises(OutcomeDiffers):
        fleet.own_word.fail(reference, "a", "AgentError", "")
    with pytest.raises(StaleFence):
        fleet.own_word.heartbeat(reference, "a")

    assert answers(fleet) == {"token": ("succeeded", '{"x":1}')}


def test_a_word_from_another_agent_is_refused(fleet: Fleet) -> None:
    _, reference = sent(fleet)

    with pytest.raises(StaleFence):
        fleet.own_word.complete(reference, "b", 1)
    with pytest.raises(StaleFence):
        fleet.own_word.fail(reference, "b", "E", "")
    with pytest.raises(StaleFence):
        fleet.own_word.heartbeat(reference, "b")

    assert answers(fleet) == {}


def test_a_word_about_an_earlier_hand_over_is_refused(fleet: Fleet) -> None:
    fleet.agent("a")
    fleet.agent("b")
    fleet.transport.answers["a"] = Delivered.REFUSED
    message = fleet.message("token", session_agent_id="a")
    fleet.dispatch(message)

    with pytest.raises(StaleFence):
        fleet.own_word.complete(f"{message.attempt_id}.1", None, 1)
    fleet.own_word.complete(f"{message.attempt_id}.2", None, 2)

    assert answers(fleet) == {"token": ("succeeded", "2")}


@pytest.mark.parametrize("reference", ["task_unknown.1", "unknown", "", ".", ".1", "task_.x"])
def test_a_word_about_a_task_that_nobody_knows_is_refused(fleet: Fleet, reference: str) -> None:
    with pytest.raises(TaskNotFound):
        fleet.own_word.complete(reference, None, 1)
    with pytest.raises(TaskNotFound):
        fleet.own_word.read(reference)


def test_a_task_that_waits_takes_no_word(fleet: Fleet) -> None:
    message = fleet.message()
    fleet.dispatch(message)

    with pytest.raises(StaleFence):
        fleet.own_word.complete(f"{message.attempt_id}.0", None, 1)


def test_a_task_is_read_by_its_id_and_by_any_reference_to_it(fleet: Fleet) -> None:
    message, reference = sent(fleet)

    assert fleet.own_word.read(reference) == fleet.own_word.read(message.attempt_id)


def test_a_heartbeat_of_a_task_begins_it(fleet: Fleet) -> None:
    message, reference = sent(fleet)
    fleet.clock.forward(5)

    fleet.own_word.heartbeat(reference, "a")

    attempt = fleet.attempt(message)
    assert attempt.status is AttemptStatus.RUNNING
    assert attempt.heartbeat_at == fleet.clock()


# ---- reports


def test_a_report_and_an_own_word_of_the_same_task_make_one_answer(fleet: Fleet) -> None:
    _, reference = sent(fleet)

    fleet.own_word.complete(reference, "a", 1)
    fleet.says("a", "idle", {"opscore_task_id": reference, "result": 2})

    assert answers(fleet) == {"token": ("succeeded", "1")}


def test_an_agent_that_ends_in_error_and_never_says_idle_fails_its_task_and_works_on(
    fleet: Fleet,
) -> None:
    _, reference = sent(fleet)
    fleet.says("a", "active", {"opscore_task_id": reference})
    fleet.says("a", "error", {"opscore_task_id": reference, "error": "boom"})
    assert answers(fleet) == {"token": ("failed", "AgentError: boom")}

    second = fleet.message("second")
    fleet.dispatch(second)
    fleet.clock.forward(6)
    for message in fleet.queue.take():
        fleet.dispatch(message)
    fleet.settle()

    assert fleet.attempt(second).agent_id == "a"


def test_an_agent_without_ids_finishes_its_task_by_active_and_idle_in_any_order() -> None:
    for order in itertools.permutations(["active", "idle"]):
        fleet = Fleet()
        message, _ = sent(fleet)
        times = {"active": fleet.clock() + 100, "idle": fleet.clock() + 120}
        for state in order:
            fleet.says("a", state, {"result": state}, at=times[state])

        assert answers(fleet) == {"token": ("succeeded", '"idle"')}
        assert fleet.agents.get("a").state == "idle"
        assert fleet.attempt(message).status is AttemptStatus.CLOSED


def test_a_report_is_recorded_even_when_its_task_has_moved_on(fleet: Fleet) -> None:
    message, reference = sent(fleet)
    assert fleet.outcomes.end(fleet.attempt(message), Outcome.failure("AgentTimeout", ""))

    fleet.says("a", "idle", {"opscore_task_id": reference, "result": 1})

    assert fleet.agents.get("a").state == "idle"
    history = fleet.agents.history("a", limit=10, cursor=None)
    assert len(history.items) == 2


def test_a_report_overtaken_by_an_end_and_a_new_task_counts_for_the_new_one() -> None:
    """Between its read and its write the agent's task ends and it is given the next."""
    store = InterruptedStore()
    fleet = Fleet(store=store)
    _, reference = sent(fleet)
    second = fleet.message("second")

    def next_task() -> None:
        fleet.own_word.complete(reference, "a", 1)
        fleet.dispatch(second)
        assert fleet.attempt(second).agent_id == "a"

    assert store.interrupt(lambda: fleet.says("a", "error", {"error": "boom"}), 2, next_task)

    assert answers(fleet) == {
        "token": ("succeeded", "1"),
        "second": ("failed", "AgentError: boom"),
    }


# ---- tokens that are dead, and Step Functions that does not answer


def test_an_outcome_for_a_dead_token_is_superseded_and_frees_the_agent(fleet: Fleet) -> None:
    message, reference = sent(fleet)
    assert isinstance(fleet.tokens, MemoryTokens)
    fleet.tokens.dead.add("token")

    fleet.own_word.complete(reference, "a", 1)

    attempt = fleet.attempt(message)
    assert (attempt.status, attempt.superseded) == (AttemptStatus.CLOSED, True)
    assert fleet.agents.get("a").leases == {}


def test_an_accepted_outcome_is_told_again_until_it_gets_through() -> None:
    tokens = MuteTokens()
    fleet = Fleet(tokens=tokens)
    message, reference = sent(fleet)

    with pytest.raises(DependencyFailed):
        fleet.own_word.complete(reference, "a", 1)
    assert fleet.attempt(message).status is AttemptStatus.COMPLETING

    fleet.clock.forward(RESEND_MS / 1000)
    fleet.sweeper.sweep()
    assert fleet.attempt(message).status is AttemptStatus.COMPLETING

    tokens.mute = False
    fleet.sweeper.sweep()
    assert tokens.answers == {"token": ("succeeded", "1")}
    assert fleet.attempt(message).status is AttemptStatus.CLOSED
    assert fleet.agents.get("a").leases == {}


class DeafTokens(MemoryTokens):
    """Step Functions whose first answer gets lost on its way back."""

    lost = False

    def _take(self, token: str, answer: tuple[str, str]) -> None:
        super()._take(token, answer)
        if not self.lost:
            self.lost = True
            raise DependencyFailed("Step Functions did not answer; try again")


def test_an_outcome_that_was_taken_without_an_answer_stays_the_tasks_outcome() -> None:
    fleet = Fleet(tokens=DeafTokens())
    message, reference = sent(fleet)
    with pytest.raises(DependencyFailed):
        fleet.own_word.complete(reference, "a", 1)

    fleet.clock.forward(RESEND_MS / 1000)
    fleet.sweeper.sweep()

    attempt = fleet.attempt(message)
    assert (attempt.status, attempt.superseded) == (AttemptStatus.CLOSED, False)


def test_the_agents_repeated_word_tells_it_too() -> None:
    tokens = MuteTokens()
    fleet = Fleet(tokens=tokens)
    _, reference = sent(fleet)
    with pytest.raises(DependencyFailed):
        fleet.own_word.complete(reference, "a", 1)
    tokens.mute = False

    fleet.own_word.complete(reference, "a", 1)

    assert tokens.answers == {"token": ("succeeded", "1")}


def test_a_report_is_taken_even_when_step_functions_does_not_answer() -> None:
    tokens = MuteTokens()
    fleet = Fleet(tokens=tokens)
    message, reference = sent(fleet)

    fleet.says("a", "idle", {"opscore_task_id": reference, "result": 1})

    assert fleet.agents.get("a").state == "idle"
    assert fleet.attempt(message).status is AttemptStatus.COMPLETING


def test_the_agents_repeated_report_tells_it_too() -> None:
    tokens = MuteTokens()
    fleet = Fleet(tokens=tokens)
    message, reference = sent(fleet)
    fleet.says("a", "idle", {"opscore_task_id": reference, "result": 1})
    tokens.mute = False

    fleet.says("a", "idle", {"opscore_task_id": reference, "result": 1})

    assert tokens.answers == {"token": ("succeeded", "1")}
    assert fleet.attempt(message).status is AttemptStatus.CLOSED


def test_an_outcome_that_has_been_told_is_not_changed_by_telling_it_again(fleet: Fleet) -> None:
    message, reference = sent(fleet)
    fleet.own_word.complete(reference, "a", 1)
    before = fleet.attempt(message)

    fleet.own_word.complete(reference, "a", 1)
    fleet.clock.forward(3600)
    fleet.sweeper.sweep()

    assert fleet.attempt(message) == before
