"""A dispatch costs the same with ten agents and with 100,000, with ten tasks waiting and with
100,000; and docs/scale.md says what.
"""

from __future__ import annotations

import pytest

from infra.benchmarks.growth import kept
from tests.support.growth import SIZES, Cost, measured, rows


@pytest.fixture(scope="module")
def costs() -> list[tuple[str, str, dict[int, Cost]]]:
    return list(measured())


def test_nothing_grows(costs: list[tuple[str, str, dict[int, Cost]]]) -> None:
    few, *_, many = SIZES
    for operation, _, of in costs:
        assert len({cost.requests for cost in of.values()}) == 1, operation
        assert of[few].read <= of[many].read, operation
        assert len({(of[size].read, of[size].written) for size in SIZES[1:]}) == 1, operation


def test_the_document_has_what_is_measured(costs: list[tuple[str, str, dict[int, Cost]]]) -> None:
    assert kept() == rows(costs), "a dispatch costs something else now: make growth"
