from datetime import UTC, datetime, timedelta

import pytest

from opscore_cli.times import ago, duration, moment, span

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations_have_two_units_at_the_most(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("then", "text"),
    [
        (None, "-"),
        ("yesterday", "-"),
        ("2026-11-22T12:00:05Z", "now"),
        ("2026-11-22T11:59:18+00:00", "42 s ago"),
        ("2026-11-22T11:30:00", "30 min ago"),
        ("2026-11-22T12:00:00+05:00", "5 h ago"),
        ("2026-11-20T11:00:00Z", "2 d ago"),
        ("2026-11-22T11:59:57Z", "3 s ago"),
    ],
)
def test_times_are_told_from_now(then: str | None, text: str) -> None:
    assert ago(then, NOW) == text


def test_a_time_without_a_zone_is_utc() -> None:
    assert moment("2026-11-22T12:00:00") == NOW


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("12h", 43200), ("90d", 7776000), ("2w", 1209600)],
)
def test_spans_are_read_as_they_are_written(text: str, seconds: int) -> None:
    assert span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "90", "d", "0d", "-1d", "1.5h", "1h30m", "9999999d"])
def test_other_spans_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        span(text)
