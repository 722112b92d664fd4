"""Fixes of MiniStack 1.5.33: the processes that functions run in."""

# ruff: noqa: SLF001  (a fix reaches into what it mends)
from __future__ import annotations

import hashlib
import shlex
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime

FIRST_LINE_WAIT_SECONDS = 0.005


def silent_handlers_are_not_slow() -> None:
    """Defect: a handler that writes no log line costs a flat 50 ms a call."""
    drain: Callable[..., str] = lambda_runtime.Worker._drain_stderr_bounded

    def drain_soon(worker: Any) -> str:
        return drain(worker, first_line_wait=FIRST_LINE_WAIT_SECONDS)

    lambda_runtime.Worker._drain_stderr_bounded = drain_soon


def archives_are_unpacked_once() -> None:
    """Defect: every worker checks and unpacks thousands of layer files, and keeps the archives."""
    cache = Path(tempfile.mkdtemp(prefix="unpacked-"))

    class CachedZipFile(zipfile.ZipFile):
        """An archive that unpacks to a link to what it was unpacked to before."""

        def namelist(self) -> list[str]:
            """No names to check: unpacking leaves none outside of its folder."""
            return []

        def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
            listing = repr([(entry.filename, entry.CRC) for entry in self.infolist()])
            unpacked = cache / hashlib.sha256(listing.encode()).hexdigest()
            if not unpacked.exists():
                fresh = tempfile.mkdtemp(dir=cache)
                super().extractall(fresh, members or self.infolist(), pwd)
                try:
                    Path(fresh).rename(unpacked)
                except OSError:
                    # Another worker was first; what it unpacked is the same.
                    if not unpacked.exists():
                        raise
            Path(path).rmdir()
            Path(path).symlink_to(unpacked)
            Path(str(self.filename)).unlink()

    class CachingZipFile:
        """What the module uses of zipfile; the last is a name that zipfile does not have."""

        ZipFile = CachedZipFile
        BadZipFile = zipfile.BadZipFile
        LargeFileError = zipfile.LargeZipFile

    lambda_runtime.zipfile = CachingZipFile


def functions_see_only_their_layers() -> None:
    """Defect: functions see MiniStack's own packages, which hides undeclared dependencies."""
    detect = lambda_runtime._detect_runtime_binary
    launcher = Path(tempfile.mkdtemp(prefix="launcher-")) / "python"
    launcher.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S "$@"\n')
    launcher.chmod(0o755)

    def detect_binary(runtime: str) -> tuple[str, str]:
        binary, script = detect(runtime)
        return (str(launcher) if runtime.startswith("python") else binary), script

    lambda_runtime._detect_runtime_binary = detect_binary


FIXES = (
    silent_handlers_are_not_slow,
    archives_are_unpacked_once,
    functions_see_only_their_layers,
)
