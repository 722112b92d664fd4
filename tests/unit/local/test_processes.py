"""Background processes: started once, ended with all that they started, and never mistaken."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from infra.local.processes import Processes

# A process that starts another one, ignores SIGTERM if told to, and says when it is ready.
PARENT = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(tmp_path)


def start(processes: Processes, *arguments: str) -> int:
    """Start the process; the pid of what it started."""
    command = [sys.executable, "-c", PARENT, *arguments]
    processes.start("one", command, os.environ, processes.directory)
    deadline = time.monotonic() + 10
    while not (said := processes.log("one").read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int(said)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_stop_ends_the_process_and_what_it_started(processes: Processes) -> None:
    child = start(processes)
    assert processes.running("one")
    assert processes.names() == ["one"]
    processes.stop("one")

    assert not processes.running("one")
    assert not alive(child)
    assert processes.names() == []


def test_process_that_ignores_the_signal_is_killed(processes: Processes) -> None:
    child = start(processes, "stubborn")
    processes.stop("one", grace_seconds=0.2)

    assert not alive(child)


def test_kill_is_a_crash(processes: Processes) -> None:
    child = start(processes, "stubborn")
    processes.kill("one")

    assert not processes.running("one")
    assert not alive(child)


def test_starting_twice_is_one_process(processes: Processes) -> None:
    child = start(processes)
    assert start(processes) == child
    processes.stop("one")


def test_someone_else_with_the_same_pid_is_left_alone(processes: Processes) -> None:
    """This test's own pid, as if it had been given to another process since."""
    record = processes.directory / "pids" / "one.json"
    record.parent.mkdir()
    record.write_text(json.dumps({"pid": os.getpid(), "started": "long ago"}))

    assert not processes.running("one")
    processes.stop("one")
    assert not record.exists()


def test_unreadable_record_is_no_process(processes: Processes) -> None:
    record = processes.directory / "pids" / "one.json"
    record.parent.mkdir()
    record.write_text("{")

    assert not processes.running("one")
    processes.stop("one")
