from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opscore.workflows.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("2h", 7200),
        ("1d", 86400),
        ("1d2h3m4s", 93784),
        ("90", 90),
        ("0s", 0),
        (" 5m ", 300),
        ("PT30S", 30),
        ("PT1H30M", 5400),
        ("P1DT12H", 129600),
        ("P2W", 1209600),
    ],
)
def test_durations_as_people_write_them(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "-5s", "5 minutes", "1.5h", "500ms", "5m1h", "P", "PT", "P1DT", "PT5", "٣s", "1M"]
)
def test_what_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


@given(st.integers(0, 99), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_both_spellings_agree(days: int, hours: int, minutes: int, seconds: int) -> None:
    ours = f"{days}d{hours}h{minutes}m{seconds}s"
    iso = f"P{days}DT{hours}H{minutes}M{seconds}S"

    assert parse_duration(ours) == parse_duration(iso)
    assert parse_duration(ours) == ((days * 24 + hours) * 60 + minutes) * 60 + seconds


@given(st.text(max_size=40))
def test_any_text_is_a_duration_or_is_not(text: str) -> None:
    seconds = parse_duration(text)

    assert seconds is None or seconds >= 0
