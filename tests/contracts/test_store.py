"""The store: items with revisions, conditional writes, transactions, lists."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from opscore.ports import (
    Add,
    Change,
    Check,
    ConditionFailed,
    Delete,
    Key,
    Page,
    Put,
    Scalar,
    Store,
    Table,
    Update,
    Upsert,
)


def key(name: str, sk: str = "a", table: Table = Table.WORK) -> Key:
    return Key(table, name, sk)


def refused(store: Store, *changes: Change) -> ConditionFailed:
    with pytest.raises(ConditionFailed) as refusal:
        store.write(*changes)
    return refusal.value


ITEM: dict[str, Scalar] = {
    "text": "ä\n日本 😀",
    "empty": "",
    "zero": 0,
    "negative": -5,
    "big": 10**37,
    "yes": True,
    "no": False,
    "status": "x",
    "name": "y",
    "ttl": 5,
}


# ---- one item


def test_an_item_comes_back_as_it_was_written(store: Store, name: str) -> None:
    store.write(Put(key(name), ITEM | {"nothing": None}, rev=0))

    found = store.get(key(name))

    assert found == ITEM | {"rev": 1}
    assert {n: type(v) for n, v in (found or {}).items()} == {
        n: type(v) for n, v in (ITEM | {"rev": 1}).items()
    }


def test_an_item_that_is_not_there_is_none(store: Store, name: str) -> None:
    assert store.get(key(name)) is None


def test_a_new_item_is_refused_where_there_is_one(store: Store, name: str) -> None:
    store.write(Put(key(name), {"n": 1}, rev=0))

    refusal = refused(store, Put(key(name), {"n": 2}, rev=0))

    assert refusal.failed == (0,)
    assert refusal.found == {0: {"n": 1, "rev": 1}}
    assert store.get(key(name)) == {"n": 1, "rev": 1}


def test_a_put_replaces_the_whole_item_of_its_revision(store: Store, name: str) -> None:
    store.write(Put(key(name), {"n": 1, "old": 1}, rev=0))

    store.write(Put(key(name), {"n": 2, "rev": 77}, rev=1))

    assert store.get(key(name)) == {"n": 2, "rev": 2}


@pytest.mark.parametrize("rev", [2, 5])
def test_a_put_of_another_revision_is_refused(store: Store, name: str, rev: int) -> None:
    store.write(Put(key(name), {"n": 1}, rev=0))

    assert refused(store, Put(key(name), {"n": 2}, rev=rev)).found == {0: {"n": 1, "rev": 1}}


def test_a_put_of_a_revision_that_is_not_there_is_refused(store: Store, name: str) -> None:
    assert refused(store, Put(key(name), {"n": 2}, rev=1)).found == {}


def test_a_put_of_any_revision_is_always_made(store: Store, name: str) -> None:
    for number in range(2):
        store.write(Put(key(name), {"n": number}, rev=None))

    assert store.get(key(name)) == {"n": 1, "rev": 1}


def test_an_update_sets_and_removes_and_leaves_the_rest(store: Store, name: str) -> None:
    store.write(Put(key(name), {"n": 1, "gone": 1, "stays": "x"}, rev=0))

    store.write(Update(key(name), {"n": 2, "gone": None, "new": ""}, expect={"n": 1}))

    assert store.get(key(name)) == {"n": 2, "stays": "x", "new": "", "rev": 2}


def test_an_update_that_only_removes_is_an_update(store: Store, name: str) -> None:
    store.write(Put(key(name), {"gone": 1}, rev=0))

    store.write(Update(key(name), {"gone": None, "never": None}, expect={}))

    assert store.get(key(name)) == {"rev": 2}


@pytest.mark.parametrize(
    "expect",
    [{"n": 1}, {"n": 1, "t": "x"}, {"n": [0, 1]}, {"t": ("y", "x")}, {"other": None}, {"b": True}],
    ids=str,
)
def test_an_update_is_made_where_the_item_is_as_expected(
    store: Store, name: str, expect: dict[str, Scalar]
) -> None:
    store.write(Put(key(name), {"n": 1, "t": "x", "b": True}, rev=0))

    store.write(Update(key(name), {"done": True}, expect))

    assert (store.get(key(name)) or {})["done"] is True


@pytest.mark.parametrize(
    "expect",
    [{"n": 2}, {"n": 1, "t": "y"}, {"n": [0, 2]}, {"n": None}, {"other": 1}, {"n": "1"}],
    ids=str,
)
def test_an_update_is_refused_where_it_is_not(
    store: Store, name: str, expect: dict[str, Scalar]
) -> None:
    store.write(Put(key(name), {"n": 1, "t": "x"}, rev=0))

    refusal = refused(store, Update(key(name), {"done": True}, expect))

    assert refusal.found == {0: {"n": 1, "t": "x", "rev": 1}}
    assert store.get(key(name)) == {"n": 1, "t": "x", "rev": 1}


@pytest.mark.parametrize("expect", [{}, {"n": None}, {"n": 1}], ids=str)
def test_an_update_of_an_item_that_is_not_there_is_refused(
    store: Store, name: str, expect: dict[str, Scalar]
) -> None:
    assert refused(store, Update(key(name), {"n": 1}, expect)).found == {}
    assert store.get(key(name)) is None


def test_an_upsert_makes_an_item_or_changes_it_and_initial_values_stay(
    store: Store, name: str
) -> None:
    store.write(Upsert(key(name), {"n": 1}, initial={"since": 10}))
    store.write(Upsert(key(name), {"n": 2}, initial={"since": 20, "more": "x"}))

    assert store.get(key(name)) == {"n": 2, "since": 10, "more": "x", "rev": 2}


@pytest.mark.parametrize("below", [None, 3])
def test_a_number_is_added_to(store: Store, name: str, below: int | None) -> None:
    store.write(Put(key(name), {"n": 2, "t": "x"}, rev=0))

    store.write(Add(key(name), "n", 1, below))
    store.write(Add(key(name), "n", -3), Upsert(key(name, "b"), {}))

    assert store.get(key(name)) == {"n": 0, "t": "x", "rev": 3}


def test_a_number_is_not_added_to_where_it_is_large_enough(store: Store, name: str) -> None:
    store.write(Put(key(name), {"n": 2, "t": "x"}, rev=0))

    refusal = refused(store, Add(key(name), "n", 1, below=2))

    assert refusal.found == {0: {"n": 2, "t": "x", "rev": 1}}
    assert store.get(key(name)) == {"n": 2, "t": "x", "rev": 1}


@pytest.mark.parametrize("below", [None, 1])
def test_a_number_that_is_not_there_counts_from_nothing(
    store: Store, name: str, below: int | None
) -> None:
    store.write(Add(key(name), "n", 1, below))

    assert store.get(key(name)) == {"n": 1, "rev": 1}
    assert refused(store, Add(key(name), "n", 1, below=1)).failed == (0,)


def test_a_delete_deletes_and_is_content_with_nothing_to_delete(store: Store, name: str) -> None:
    store.write(Put(key(name), {"n": 1}, rev=0))

    for _ in range(2):
        store.write(Delete(key(name)))

    assert store.get(key(name)) is None


def test_a_delete_with_an_expectation_deletes_only_what_fits(store: Store, name: str) -> None:
    assert refused(store, Delete(key(name), expect={"n": 1})).found == {}
    store.write(Put(key(name), {"n": 1}, rev=0))
    assert refused(store, Delete(key(name), expect={"n": 2})).found == {0: {"n": 1, "rev": 1}}

    store.write(Delete(key(name), expect={"n": 1}))

    assert store.get(key(name)) is None


# ---- several at once


def test_changes_are_made_together_also_across_tables(store: Store, name: str) -> None:
    other = key(name, table=Table.AGENTS)
    store.write(Put(key(name, "b"), {"n": 1}, rev=0), Put(key(name, "c"), {"n": 1}, rev=0))

    store.write(
        Put(key(name), {"n": 1}, rev=0),
        Update(key(name, "b"), {"n": 2}, expect={"n": 1}),
        Delete(key(name, "c")),
        Upsert(other, {"n": 3}),
    )

    assert store.get(key(name)) == {"n": 1, "rev": 1}
    assert store.get(key(name, "b")) == {"n": 2, "rev": 2}
    assert store.get(key(name, "c")) is None
    assert store.get(other) == {"n": 3, "rev": 1}


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_refused_change_undoes_all_and_is_named(store: Store, name: str, position: int) -> None:
    stands = key(name, "stands")
    store.write(Put(stands, {"n": 1}, rev=0))
    changes: list[Change] = [
        Put(key(name, "new"), {"n": 1}, rev=0),
        Upsert(key(name, "upserted"), {"n": 1}),
    ]
    changes.insert(position, Put(stands, {"n": 2}, rev=0))

    refusal = refused(store, *changes)

    assert refusal.failed == (position,)
    assert refusal.found == {position: {"n": 1, "rev": 1}}
    assert store.get(key(name, "new")) is None
    assert store.get(key(name, "upserted")) is None
    assert store.get(stands) == {"n": 1, "rev": 1}


def test_every_refused_change_is_named(store: Store, name: str) -> None:
    stands = key(name, "stands")
    store.write(Put(stands, {"n": 1}, rev=0))

    refusal = refused(
        store,
        Update(key(name, "missing"), {"n": 1}, expect={}),
        Upsert(key(name, "fine"), {}),
        Check(stands, expect={"n": 2}),
        Delete(key(name, "missing too"), expect={"n": 1}),
    )

    assert refusal.failed == (0, 2, 3)
    assert refusal.found == {2: {"n": 1, "rev": 1}}


def test_a_check_changes_nothing(store: Store, name: str) -> None:
    stands = key(name, "stands")
    store.write(Put(stands, {"n": 1}, rev=0))

    store.write(Check(stands, expect={"n": 1}), Put(key(name), {}, rev=0))
    store.write(Check(stands), Put(key(name), {}, rev=1))

    assert store.get(stands) == {"n": 1, "rev": 1}
    assert store.get(key(name)) == {"rev": 2}


def test_a_check_of_what_is_not_there_is_refused(store: Store, name: str) -> None:
    refusal = refused(store, Put(key(name), {}, rev=0), Check(key(name, "missing")))

    assert (refusal.failed, refusal.found) == ((1,), {})
    assert store.get(key(name)) is None


def test_a_hundred_changes_fit_in_one_write(store: Store, name: str) -> None:
    store.write(*(Put(key(name, f"{i:03d}"), {}, rev=0) for i in range(100)))

    assert len(store.query(Table.WORK, name, limit=200).items) == 100


# ---- many


def test_many_items_are_found_where_they_are(store: Store, name: str) -> None:
    wanted = [
        key(name, f"{i:03d}", table) for i in range(80) for table in (Table.WORK, Table.AGENTS)
    ]
    for number, one in enumerate(wanted):
        if number % 2 == 0 or number % 7 == 0:
            store.write(Put(one, {"n": number}, rev=0))

    found = store.get_many([*wanted, *wanted[:3]])

    assert found == {
        one: {"n": number, "rev": 1}
        for number, one in enumerate(wanted)
        if number % 2 == 0 or number % 7 == 0
    }
    assert store.get_many([]) == {}


# ---- lists


def listed(store: Store, name: str, *sks: str) -> None:
    for sk in sks:
        store.write(Put(key(name, sk), {"of": sk}, rev=0))


def sks(page: Page) -> list[str]:
    return [k.sk for k, _ in page.items]


def test_a_partition_is_listed_in_the_order_of_its_sort_keys(store: Store, name: str) -> None:
    listed(store, name, "b", "a", "a#1", "B", "ä", "10", "9")
    listed(store, name + "x", "c")

    page = store.query(Table.WORK, name, limit=50)

    assert sks(page) == ["10", "9", "B", "a", "a#1", "b", "ä"]
    assert page.after is None
    assert dict(page.items)[key(name, "b")] == {"of": "b", "rev": 1}
    assert sks(store.query(Table.WORK, name, limit=50, newest_first=True)) == sks(page)[::-1]


def test_a_list_may_be_bounded_by_a_prefix(store: Store, name: str) -> None:
    listed(store, name, "task#a", "task#b", "session", "tasks")

    assert sks(store.query(Table.WORK, name, limit=50, prefix="task#")) == ["task#a", "task#b"]
    assert sks(store.query(Table.WORK, name, limit=1, prefix="task#")) == ["task#a"]
    assert sks(store.query(Table.WORK, name, limit=50, prefix="x")) == []


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_a_list_comes_page_by_page_each_item_once(
    store: Store, name: str, limit: int, *, newest_first: bool
) -> None:
    wanted = [f"{i}" for i in range(5)]
    listed(store, name, *wanted)

    seen: list[str] = []
    after: Mapping[str, Scalar] | None = None
    for _ in range(10):
        page = store.query(Table.WORK, name, limit=limit, after=after, newest_first=newest_first)
        assert len(page.items) <= limit
        seen += sks(page)
        after = page.after
        if after is None:
            break

    assert after is None
    assert seen == (wanted[::-1] if newest_first else wanted)


def due(name: str, at: int, sk: str) -> Put:
    return Put(key(name + sk, sk), {"dueShard": name, "dueAt": at, "other": 1}, rev=0)


def test_an_index_lists_keys_in_the_order_of_its_sort_key_up_to_a_bound(
    store: Store, name: str
) -> None:
    for at, sk in ((30, "c"), (10, "a"), (20, "b"), (9, "z")):
        store.write(due(name, at, sk))
    store.write(due(name + "else", 1, "x"))

    def found(upto: int | None = None) -> list[str]:
        return sks(store.query_index(Table.WORK, "due", name, limit=50, upto=upto))

    first, *_ = store.query_index(Table.WORK, "due", name, limit=1).items
    assert first == (key(name + "z", "z"), {"dueShard": name, "dueAt": 9})
    assert found() == ["z", "a", "b", "c"]
    assert found(upto=20) == ["z", "a", "b"]
    assert found(upto=8) == []
    assert sks(store.query_index(Table.WORK, "due", name, limit=2, newest_first=True)) == ["c", "b"]


def test_an_item_leaves_the_index_with_its_attributes(store: Store, name: str) -> None:
    store.write(due(name, 1, "a"))
    store.write(Update(key(name + "a", "a"), {"dueShard": None, "dueAt": None}, expect={}))

    assert store.query_index(Table.WORK, "due", name, limit=5).items == ()
    assert store.get(key(name + "a", "a")) == {"other": 1, "rev": 2}


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_an_index_comes_page_by_page_each_item_once_also_with_equal_sort_keys(
    store: Store, name: str, limit: int, *, newest_first: bool
) -> None:
    for sk in "abcde":
        store.write(due(name, 10 if sk < "d" else 20, sk))

    seen: list[str] = []
    after: Mapping[str, Scalar] | None = None
    for _ in range(10):
        page = store.query_index(
            Table.WORK, "due", name, limit=limit, upto=20 if not newest_first else None,
            after=after, newest_first=newest_first,
        )  # fmt: skip
        seen += sks(page)
        after = page.after
        if after is None:
            break

    assert after is None
    assert sorted(seen) == list("abcde")
    assert set(seen[2:] if newest_first else seen[:3]) == set("abc")


def test_an_index_over_the_tables_own_sort_key(store: Store, name: str) -> None:
    for sk in ("b", "a"):
        agent = key(name + sk, sk, Table.AGENTS)
        store.write(Put(agent, {"statePk": name}, rev=0))

    page = store.query_index(Table.AGENTS, "byState", name, limit=5)

    assert [k for k, _ in page.items] == [key(name + sk, sk, Table.AGENTS) for sk in "ab"]


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_query_between_two_sort_keys_has_both(
    store: Store, name: str, newest_first: bool
) -> None:
    for sk in ("a#1", "b#1", "b#2", "c#1", "d#1"):
        store.write(Put(key(name, sk), {"n": 1}, rev=0))

    def found(limit: int, after: Mapping[str, Scalar] | None = None) -> Page:
        return store.query(
            Table.WORK,
            name,
            limit=limit,
            between=("b", "c~"),
            after=after,
            newest_first=newest_first,
        )

    expected = ["b#1", "b#2", "c#1"][:: -1 if newest_first else 1]
    assert [k.sk for k, _ in found(10).items] == expected
    first = found(2)
    assert [k.sk for k, _ in (*first.items, *found(2, first.after).items)] == expected
