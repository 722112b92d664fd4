"""When a message that could not be dealt with comes back."""

from __future__ import annotations

import pytest

from opscore.errors import Contended, DependencyFailed, SettingError
from opscore.ports import Queue
from opscore.services.dispatch import NotNow
from opscore.services.redelivery import Redelivery, time_for_one
from tests.support.memory import MemoryQueue


class DeafQueue(MemoryQueue):
    """A queue that does not answer."""

    def hide(self, receipt: str, seconds: int) -> None:
        raise DependencyFailed("SQS did not answer")


def fail(queue: Queue, error: Exception, receive_count: int = 1) -> None:
    redelivery = Redelivery(queue, base_seconds=2, cap_seconds=300)
    with pytest.raises(type(error)), redelivery.of("receipt", receive_count):
        raise error


def hidden_for(error: Exception, receive_count: int = 1) -> int:
    queue = MemoryQueue()
    fail(queue, error, receive_count)
    ((receipt, seconds),) = queue.hidden
    assert receipt == "receipt"
    return seconds


@pytest.mark.parametrize(
    ("receive_count", "least", "most"),
    [(0, 1, 2), (1, 1, 2), (2, 2, 4), (3, 4, 8), (6, 32, 64), (9, 150, 300), (1000, 150, 300)],
)
def test_a_message_comes_back_later_each_time_up_to_a_cap(
    receive_count: int, least: int, most: int
) -> None:
    times = {hidden_for(NotNow(None, "busy"), receive_count) for _ in range(50)}

    assert least <= min(times)
    assert max(times) <= most


def test_messages_do_not_come_back_all_at_once() -> None:
    assert len({hidden_for(NotNow(None, "busy"), 9) for _ in range(50)}) > 5


def test_a_message_that_knows_its_time_comes_back_then() -> None:
    assert hidden_for(NotNow(17, "another worker has it"), 9) == 17


@pytest.mark.parametrize(
    "error", [DependencyFailed("x"), Contended("x"), SettingError("x"), ValueError("unforeseen")]
)
def test_a_message_comes_back_soon_whatever_went_wrong(error: Exception) -> None:
    assert 1 <= hidden_for(error) <= 2


def test_what_nobody_foresaw_is_logged_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hidden_for(ValueError("a payload"))

    logged = [vars(record) for record in caplog.records]
    assert [fields.get("error") for fields in logged] == ["ValueError", None]
    assert "a payload" not in str(logged)


def test_a_message_that_cannot_be_hidden_still_comes_back() -> None:
    fail(DeafQueue(), NotNow(1, "busy"))


def test_a_message_that_was_dealt_with_is_left_alone() -> None:
    queue = MemoryQueue()
    with Redelivery(queue, base_seconds=2, cap_seconds=300).of("receipt", 1):
        pass

    assert queue.hidden == []


@pytest.mark.parametrize(
    ("remaining_ms", "records_left", "limit"),
    [(60_000, 1, 10), (60_000, 5, 10), (30_000, 5, 5), (11_000, 3, 2), (60_000, 0, 10)],
)
def test_each_record_has_its_share_of_the_time(
    remaining_ms: int, records_left: int, limit: float
) -> None:
    assert time_for_one(remaining_ms, records_left, 10) == limit


def test_a_record_for_which_no_time_is_left_comes_back_at_once() -> None:
    with pytest.raises(NotNow) as refusal:
        time_for_one(7_000, 5, 10)

    assert refusal.value.seconds == 1
