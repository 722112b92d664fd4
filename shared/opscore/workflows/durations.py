"""Durations as people write them: `30s`, `5m`, `1h30m`, `2d`, ISO 8601, or seconds."""

from __future__ import annotations

import re

MAX_SECONDS = 365 * 24 * 3600
"""An execution's longest life, so no part of it can take longer."""

_UNITS = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
_ISO = re.compile(
    r"P(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?(?<!T)"
)
_UNIT_SECONDS = (86400, 3600, 60, 1)


def parse_duration(text: str) -> int | None:
    """Whole seconds, or None if the text is no duration."""
    compact = text.strip()
    if not compact or not compact.isascii():
        return None
    if compact.isdecimal() and len(compact) <= len(str(MAX_SECONDS)):
        return int(compact)
    for pattern, seconds in ((_UNITS, _UNIT_SECONDS), (_ISO, (7 * 86400, *_UNIT_SECONDS))):
        match = pattern.fullmatch(compact)
        if match and any(match.groups()):
            numbers = (int(group or 0) for group in match.groups())
            return sum(n * unit for n, unit in zip(numbers, seconds, strict=True))
    return None
