"""Dead letters are found, put together, compared and discarded."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opscore.errors import DeadLetterNotFound, InvalidCursor, LetterSettled
from opscore.http import letter_views
from opscore.lifecycle.letters import MAX_DIFFERENCES, differences
from opscore.models.dead_letter import DeadLetter, LetterError, LetterState
from opscore.models.messages import WakeMessage
from opscore.records.dead_letters import LetterFilter
from tests.support.fleet import Fleet
from tests.support.interruption import InterruptedStore

EVERY = LetterFilter()
START = 1_800_000_000_000


def letter(fleet: Fleet, letter_id: str, **more: Any) -> None:
    """A dead letter of a task's message; the next comes a second later."""
    body = fleet.message(**more).model_dump_json(by_alias=True)
    fleet.dead_letters.record(letter_id, body, 7)
    fleet.clock.forward(1)


@pytest.fixture
def box(fleet: Fleet) -> Fleet:
    """Letters m1 to m6, a second apart."""
    letter(fleet, "m1", workflow_id="wf", agent_capability="work", parameters={"n": 1})
    letter(fleet, "m2", workflow_id="other", agent_capability="work", parameters={"n": 2})
    letter(fleet, "m3", workflow_id="wf", agent_capability="rare")
    letter(fleet, "m4", workflow_id="wf", agent_id="a")
    fleet.dead_letters.record("m5", WakeMessage(agent_id="a", lists=()).model_dump_json(), 7)
    fleet.clock.forward(1)
    fleet.dead_letters.record("m6", "nonsense", 7)
    return fleet


def ids(fleet: Fleet, limit: int = 50, **wanted: Any) -> list[str]:
    found, cursor = list[str](), None
    while True:
        page = fleet.letterbox.found(LetterFilter(**wanted), limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        found += [one.dead_letter_id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 50])
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["m6", "m5", "m4", "m3", "m2", "m1"]),
        ({"workflow_id": "wf"}, ["m4", "m3", "m1"]),
        ({"capability": "work"}, ["m2", "m1"]),
        ({"error": LetterError.UNDELIVERED}, ["m4", "m3", "m2", "m1"]),
        ({"error": LetterError.NO_TASK}, ["m5"]),
        ({"error": LetterError.UNREADABLE}, ["m6"]),
        ({"workflow_id": "wf", "capability": "work"}, ["m1"]),
        ({"workflow_id": "wf", "error": LetterError.NO_TASK}, []),
        ({"since": START + 1000, "until": START + 3000}, ["m4", "m3", "m2"]),
        ({"workflow_id": "wf", "since": START + 1000}, ["m4", "m3"]),
        ({"until": 0}, []),
        ({"state": LetterState.OPEN}, ["m6", "m5", "m4", "m3", "m1"]),
        ({"state": LetterState.DISCARDED}, ["m2"]),
        ({"state": LetterState.OPEN, "capability": "work"}, ["m1"]),
    ],
    ids=str,
)
def test_letters_are_found_the_newest_first(
    box: Fleet, wanted: dict[str, Any], expected: list[str], limit: int
) -> None:
    box.letterbox.discard("m2", "of no use", None)

    assert ids(box, limit, **wanted) == expected


def test_a_cursor_is_for_its_own_filter(box: Fleet) -> None:
    cursor = box.letterbox.found(LetterFilter("wf"), limit=1, cursor=None).next_cursor

    with pytest.raises(InvalidCursor):
        box.letterbox.found(LetterFilter("other"), limit=1, cursor=cursor)


def test_a_list_with_few_that_are_meant_comes_in_short_pages(fleet: Fleet) -> None:
    for number in range(1100):
        one = DeadLetter(
            dead_letter_id=f"m{number}",
            recorded_at=START + number,
            error=LetterError.UNDELIVERED,
            reason="",
            receive_count=6,
            workflow_id="wf",
            agent_capability="work" if number else "rare",
        )
        fleet.store.write(*fleet.letters.added(one, ""))

    first = fleet.letterbox.found(LetterFilter("wf", "rare"), limit=5, cursor=None)
    assert (first.items, first.next_cursor is None) == ([], False)
    rest = fleet.letterbox.found(LetterFilter("wf", "rare"), limit=5, cursor=first.next_cursor)

    assert [one.dead_letter_id for one in rest.items] == ["m0"]
    assert rest.next_cursor is None


# ---- groups


def test_alike_ones_stand_together_with_their_number_and_times(box: Fleet) -> None:
    letter(box, "m7", workflow_id="wf", agent_capability="work")

    groups = box.letterbox.groups(EVERY, cursor=None).items

    first = letter_views.group(groups[0])
    assert (first["count"], first["example"]) == (2, "m7")
    assert (first["workflowId"], first["taskDefinitionId"]) == ("wf", "step")
    assert (first["agentCapability"], first["error"]) == ("work", "Undelivered")
    assert first["firstAt"] < first["lastAt"]
    assert len(groups) == 6
    alike = letter_views.dead_letter(box.letterbox.get("m1")[0])["fingerprint"]
    assert first["fingerprint"] == alike


def test_groups_of_a_filter_are_of_its_letters(box: Fleet) -> None:
    groups = box.letterbox.groups(LetterFilter(capability="work"), cursor=None).items

    assert sorted(group.example.dead_letter_id for group in groups) == ["m1", "m2"]


# ---- compared


def differ(left: Any, right: Any) -> list[tuple[str, list[Any], list[Any]]]:
    found = differences(left, right)
    return [(one.path, list(one.left), list(one.right)) for one in found]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": None}, {"a": 2}, [("$.a", [1], [2]), ("$.b", [None], [])]),
        ({"a": [1, {"x": "y"}]}, {"a": [1, {"x": "z"}, 3]},
         [("$.a[1].x", ["y"], ["z"]), ("$.a[2]", [], [3])]),
        ({"a b": 1}, {"a b": {"c": 1}}, [('$["a b"]', [1], [{"c": 1}])]),
        (True, 1, [("$", [True], [1])]),
        ("x", ["x"], [("$", ["x"], [["x"]])]),
    ],
)  # fmt: skip
def test_two_values_differ_by_paths(left: Any, right: Any, expected: Any) -> None:
    assert differ(left, right) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(JSON, JSON)
def test_only_equal_values_do_not_differ(left: Any, right: Any) -> None:
    assert differ(left, left) == []
    one, other = differ(left, right), differ(right, left)
    assert sorted(path for path, _, _ in one) == sorted(path for path, _, _ in other)
    assert bool(one) == (json.dumps(left, sort_keys=True) != json.dumps(right, sort_keys=True))


def test_a_deep_value_is_compared_without_end_of_the_stack() -> None:
    deep: Any = 1
    other: Any = 2
    for _ in range(5000):
        deep, other = [deep], [other]

    assert differ(deep, other)[0][1:] == ([1], [2])


def test_the_inputs_of_two_letters_are_compared(box: Fleet) -> None:
    found = letter_views.comparison(box.letterbox.compare("m1", "m2"))

    assert found["differences"] == [{"path": "$.n", "here": [1], "there": [2]}]
    assert (found["deadLetter"]["deadLetterId"], found["complete"]) == ("m1", True)


def test_letters_that_are_no_tasks_are_compared_whole(box: Fleet) -> None:
    paths = [one.path for one in box.letterbox.compare("m5", "m6").differences]

    assert paths == ["$"]


def test_a_comparison_has_an_end(fleet: Fleet) -> None:
    letter(fleet, "m1", parameters={"l": list(range(2000))})
    letter(fleet, "m2", parameters={"l": []})

    found = fleet.letterbox.compare("m1", "m2")

    assert (len(found.differences), found.complete) == (MAX_DIFFERENCES, False)


# ---- discarded


def test_a_letter_is_discarded_on_record(box: Fleet) -> None:
    discarded = box.letterbox.discard("m1", "of no use", "jo")

    assert discarded == box.letterbox.get("m1")[0]
    shown = letter_views.dead_letter(discarded)
    assert (shown["state"], shown["settledBy"], shown["settledBecause"]) == (
        "discarded",
        "jo",
        "of no use",
    )
    assert shown["settledAt"] is not None


def test_discarding_twice_is_once(box: Fleet) -> None:
    first = box.letterbox.discard("m1", "of no use", "jo")
    box.clock.forward(5)

    assert box.letterbox.discard("m1", "of no use", "max") == first
    with pytest.raises(LetterSettled, match="discarded already"):
        box.letterbox.discard("m1", "another reason", "jo")


def test_a_letter_that_nobody_knows_can_be_neither_discarded_nor_compared(box: Fleet) -> None:
    with pytest.raises(DeadLetterNotFound):
        box.letterbox.discard("unknown", "x", None)
    with pytest.raises(DeadLetterNotFound):
        box.letterbox.compare("m1", "unknown")


def test_of_two_who_discard_at_once_one_is_on_record() -> None:
    def one_wins_at(moment: int) -> bool:
        store = InterruptedStore()
        fleet = Fleet(store=store)
        letter(fleet, "m1")

        def discard(by: str) -> Any:
            return fleet.letterbox.discard("m1", "of no use", by)

        interrupted = store.interrupt(lambda: discard("jo"), moment, lambda: discard("max"))
        expected = "max" if interrupted else "jo"
        assert fleet.letterbox.get("m1")[0].settled_by == expected
        return interrupted

    assert len(list(itertools.takewhile(one_wins_at, itertools.count(1)))) == 2
