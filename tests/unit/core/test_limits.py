"""Slots and rates shared out over counters: never more than the whole, whoever comes at once."""

from __future__ import annotations

import random

import pytest

from opscore.lifecycle.limits import (
    MICROSECONDS,
    MOST,
    buckets_for,
    counters_for,
    openings,
    paces,
    shares,
)
from opscore.models.policy import Bucket, Policy, PolicyKind

SEEDS = range(50)


@pytest.mark.parametrize(
    ("limit", "before", "number"),
    [(None, 0, 0), (0, 0, 0), (1, 0, 1), (8, 0, 1), (9, 0, 2), (10_000, 0, MOST), (1, 5, 5)],
)
def test_a_limit_has_as_many_counters_as_it_needs_and_never_fewer_than_it_had(
    limit: int | None, before: int, number: int
) -> None:
    assert counters_for(limit, before) == number


@pytest.mark.parametrize(
    ("rate", "number"), [(None, 0), (0.01, 1), (10, 1), (10.5, 2), (5_000, MOST)]
)
def test_a_rate_has_as_many_buckets_as_it_needs(rate: float | None, number: int) -> None:
    assert buckets_for(rate) == number


@pytest.mark.parametrize("seed", SEEDS)
def test_shares_are_the_whole(seed: int) -> None:
    chance = random.Random(seed)
    whole, parts = chance.randrange(300), chance.randrange(1, MOST)

    shared = shares(whole, parts)

    assert sum(shared) == whole
    assert max(shared) - min(shared) <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_claims_at_once_never_take_more_slots_than_there_are(seed: int) -> None:
    """Each claim looks, and writes later, when others have written: by then its counter must still
    be below what it was when it looked.
    """
    chance = random.Random(seed)
    limit = chance.randrange(40)
    used = [0] * counters_for(limit, chance.randrange(1, 6))
    looked: list[tuple[int, int]] = []
    for _ in range(400):
        match chance.choice(["look", "look", "write", "give back"]):
            case "look":
                _, found = openings(limit, used)
                if found:
                    opening = chance.choice(found)
                    looked.append((opening.counter, opening.below))
            case "write" if looked:
                counter, below = looked.pop(chance.randrange(len(looked)))
                used[counter] += used[counter] < below
            case "give back" if sum(used):
                used[chance.choice([n for n, taken in enumerate(used) if taken])] -= 1
        assert sum(used) <= limit


@pytest.mark.parametrize("seed", SEEDS)
def test_there_is_an_opening_while_and_only_while_less_than_the_limit_is_used(seed: int) -> None:
    chance = random.Random(seed)
    used = [chance.randrange(6) for _ in range(chance.randrange(1, 9))]
    limit = chance.randrange(30)

    free, found = openings(limit, used)

    assert free == max(limit - sum(used), 0)
    assert bool(found) == (free > 0)


def policy(rate: float, burst: int | None = None) -> Policy:
    return Policy(
        kind=PolicyKind.CAPABILITY, name="work", rate_per_second=rate, burst=burst, updated_at=0
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_rate_is_kept_over_every_stretch_of_time(seed: int) -> None:
    chance = random.Random(seed)
    rate = chance.choice([0.5, 1, 7, 25, 100])
    burst = max(round(rate), 1) * chance.choice([1, 3])
    each = paces(policy(rate, burst))
    buckets = [Bucket() for _ in each]
    now, taken_at = MICROSECONDS, list[int]()
    for _ in range(600):
        now += chance.choice([0, 0, 1_000, 50_000, 1_000_000])
        number = chance.randrange(len(each))
        if each[number].tokens(buckets[number], now) > 0:
            due_at = each[number].taken(buckets[number], now)
            buckets[number] = Bucket(due_at=due_at)
            taken_at.append(now)

    for first in range(0, len(taken_at), 17):
        for last in range(first, len(taken_at), 13):
            seconds = (taken_at[last] - taken_at[first]) / MICROSECONDS
            assert last - first + 1 <= rate * seconds * 1.001 + burst


def test_a_bucket_that_is_used_up_says_when_it_has_one_more() -> None:
    (pace,) = paces(policy(2, 2))
    bucket, now = Bucket(), MICROSECONDS
    for _ in range(2):
        bucket = Bucket(due_at=pace.taken(bucket, now))

    assert pace.tokens(bucket, now) == 0
    assert pace.next_at(bucket, now) == now + MICROSECONDS // 2
    assert pace.tokens(bucket, now + MICROSECONDS // 2) == 1


def test_a_rate_that_is_raised_does_not_wait_for_what_the_old_one_owed() -> None:
    (slow,), (fast,) = paces(policy(0.001)), paces(policy(1))
    bucket, now = Bucket(due_at=slow.taken(Bucket(), MICROSECONDS)), MICROSECONDS

    assert fast.next_at(bucket, now) <= now + MICROSECONDS
