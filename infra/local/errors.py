"""The one error that the local stack's commands show."""

from __future__ import annotations

from pathlib import Path


class LocalStackError(Exception):
    """Something a person has to see: one clear message, and the log to look into."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message if log is None else f"{message}\n  log: {log}")
