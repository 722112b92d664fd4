"""Background processes that outlive the command that started them, and end with nothing left.

Each leads a process group of its own, and is known by its pid together with its start time, so
that a pid that the system has given to someone else is never signalled.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Processes:
    """The named background processes of one state directory: pids/<name>.json, logs/<name>.log."""

    directory: Path

    def log(self, name: str) -> Path:
        """Where a process writes what it has to say."""
        return self.directory / "logs" / f"{name}.log"

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        working_directory: Path,
    ) -> None:
        """Start a process in the background; one of this name that still runs is left alone."""
        if self.running(name):
            return
        self.log(name).parent.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603  the stack's own commands
                command,
                cwd=working_directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        record = self._record(name)
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps({"pid": process.pid, "started": _start_time(process.pid)}))

    def names(self) -> list[str]:
        """Of every process that was started and not stopped, running or dead."""
        return sorted(path.stem for path in (self.directory / "pids").glob("*.json"))

    def running(self, name: str) -> bool:
        """Whether the process itself, not just what it left behind, is alive."""
        pid, started = self._read(name)
        return pid is not None and _start_time(pid) == started and not _is_zombie(pid)

    def children(self, name: str) -> list[int]:
        """The pids of what a process has started itself and still runs; where /proc tells."""
        pid, started = self._read(name)
        if pid is None or _start_time(pid) != started or not PROC.is_dir():
            return []
        return sorted(
            int(entry.name)
            for entry in PROC.iterdir()
            if entry.name.isdigit()
            and (fields := _stat(int(entry.name)))
            and fields[1] == str(pid)
            and fields[0] != "Z"
        )

    def kill(self, name: str) -> None:
        """End a process as a crash does: at once, with no chance to clean up."""
        self._end(name, grace_seconds=0)

    def stop(self, name: str, grace_seconds: float = 8) -> None:
        """End a process and all that it started; one that ignores SIGTERM is killed."""
        self._end(name, grace_seconds)

    def _end(self, name: str, grace_seconds: float) -> None:
        pid, started = self._read(name)
        # Without its leader a group keeps its number, and nobody else can have been given it.
        if pid is not None and _start_time(pid) in {started, None}:
            if grace_seconds:
                _signal_group(pid, signal.SIGTERM)
                _await_end(pid, grace_seconds)
            _signal_group(pid, signal.SIGKILL)
            _await_end(pid, 5)
        self._record(name).unlink(missing_ok=True)

    def _record(self, name: str) -> Path:
        return self.directory / "pids" / f"{name}.json"

    def _read(self, name: str) -> tuple[int | None, str | None]:
        try:
            record = json.loads(self._record(name).read_text())
        except (FileNotFoundError, ValueError):
            return None, None
        return int(record["pid"]), record["started"]


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _await_end(group: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _group_lives(group) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        _reap(group)


def _group_lives(group: int) -> bool:
    if PROC.is_dir():
        # Zombies that no one reaps still take signals: they are not alive.
        return any(
            fields[2] == str(group) and fields[0] != "Z"
            for entry in PROC.iterdir()
            if entry.name.isdigit() and (fields := _stat(int(entry.name)))
        )
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _reap(pid: int) -> None:
    """Collect the process if it is this one's own child."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _is_zombie(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[0] == "Z"


def _start_time(pid: int) -> str | None:
    """When a process started, in whatever form the system tells it; None if there is none."""
    if PROC.is_dir():
        fields = _stat(pid)
        return fields[19] if fields else None
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  ps
    return answer.stdout.strip() or None


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on; empty if there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return []
    # The command's name stands before them in parentheses and may hold anything.
    return text.rpartition(")")[2].split()
