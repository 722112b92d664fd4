"""Times and durations as people read and write them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def moment(value: str | None) -> datetime | None:
    """Read a time of the API, ISO 8601; None when there is none, or none that can be read."""
    try:
        read = datetime.fromisoformat(value or "")
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def duration(span: timedelta) -> str:
    """Two units at the most: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`, `3 d 4 h`."""
    seconds = max(span.total_seconds(), 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def ago(value: str | None, now: datetime) -> str:
    """How long a time lies back, in one unit; `-` when there is none."""
    then = moment(value)
    if then is None:
        return "-"
    seconds = (now - then).total_seconds()
    if seconds < 1:
        return "now"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{int(seconds)} s ago"


def local(value: str | None) -> str:
    """A time to the second in the reader's own time zone; `-` when there is none."""
    then = moment(value)
    return "-" if then is None else then.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def between(start: str | None, end: str | None, now: datetime) -> str:
    """The time from one to the other, or to now while there is no end; `-` without a start."""
    begun = moment(start)
    return "-" if begun is None else duration((moment(end) or now) - begun)


def span(text: str) -> timedelta:
    """Read `90s`, `5m`, `12h`, `90d` or `2w`. Raises ValueError."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smhdw])", text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 12h or 90d")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
