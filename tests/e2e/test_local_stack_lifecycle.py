"""`make up` and `make down`: twice is harmless, what goes wrong is one message, nothing is left."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.local.errors import LocalStackError
from infra.local.settings import ROOT, LocalSettings
from infra.local.stack import AGENTKIT, LocalStack
from tests.e2e.conftest import PARAMETERS


def command(name: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m infra.local NAME` with a state directory of its own."""
    return subprocess.run(
        [sys.executable, "-m", "infra.local", name],
        cwd=ROOT,
        env={**os.environ, "OPSCORE_LOCAL_DIR": str(directory), "AGENTS": "none", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_up_twice_is_harmless(stack: LocalStack) -> None:
    said: list[str] = []
    before = stack.addresses
    LocalStack(stack.settings, said.append).up()

    assert said == ["the local stack is up already"]
    assert stack.addresses == before


def test_down_twice_is_harmless(tmp_path: Path) -> None:
    assert [command("down", tmp_path).returncode for _ in range(2)] == [0, 0]


def test_status_of_a_stack_that_is_not_up_is_an_error(tmp_path: Path) -> None:
    answer = command("status", tmp_path)

    assert (answer.returncode, answer.stderr) == (1, "error: the local stack is not up\n")


def test_taken_port_is_one_clear_message(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = command("up", tmp_path, PORT=str(port))

    assert answer.returncode == 1
    assert answer.stderr.startswith(f"error: port {port} is taken")
    assert len(answer.stderr.splitlines()) == 1
    assert not (tmp_path / "stack.json").exists()


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "http"), ("DISPATCH_TRANSPORT", "post"), ("PARAMETERS", "Stage")]
)
def test_bad_setting_is_named(tmp_path: Path, name: str, value: str) -> None:
    answer = command("up", tmp_path, **{name: value})

    assert answer.returncode == 1
    assert name in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_failed_deploy_names_its_log_and_leaves_nothing(tmp_path: Path) -> None:
    """A parameter that template.yaml does not allow."""
    answer = command("up", tmp_path, PORT="0", PARAMETERS="LogRetentionDays=4711")

    assert answer.returncode == 1
    assert answer.stderr.startswith("error: `sam deploy` failed")
    log = Path(answer.stderr.strip().rpartition("log: ")[2])
    assert log.is_file()
    assert not list((tmp_path / "pids").iterdir())
    assert not running_in(tmp_path)


def test_missing_python_is_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "infra" / "local").mkdir(parents=True)
    requirements = [*ROOT.glob("*/requirements*.txt"), *ROOT.glob("infra/local/requirements*.txt")]
    asked = ["requirements.txt", "pyproject.toml"]
    asked += [str(path.relative_to(ROOT)) for path in requirements]
    for name in asked:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    script = tmp_path / "infra" / "local" / "install.sh"
    script.write_text((ROOT / "infra" / "local" / "install.sh").read_text())
    answer = subprocess.run(
        ["bash", script],
        env={**os.environ, "PYTHON": "/nowhere/python3"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 1
    assert answer.stderr.startswith("error: no Python 3.11 or newer found")
    assert not (tmp_path / ".venv").exists()


def test_stack_that_is_not_up_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match="run `make up`"):
        _ = LocalStack(LocalSettings(directory=tmp_path)).addresses


def test_killed_stand_in_can_be_started_again(stack: LocalStack) -> None:
    health = stack.addresses.agentkit_url.removesuffix("/v1") + "/health"
    stack.processes.kill(AGENTKIT)
    with pytest.raises(requests.ConnectionError):
        requests.get(health, timeout=5)
    stack.start_agentkit()

    assert requests.get(health, timeout=5).json() == {"status": "ok"}


def test_parameters_reach_the_functions(aws: Any) -> None:
    dispatcher = aws.functions.get_function_configuration(
        FunctionName=aws.outputs["TaskDispatcherName"]
    )
    variables = dispatcher["Environment"]["Variables"]

    assert variables["DRAIN_SECONDS"] == PARAMETERS["DrainSeconds"]
    assert variables["DIRECT_ALLOW_LOOPBACK"] == "true"


def running_in(directory: Path) -> list[str]:
    """Command lines of processes that work with files of a directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line:
            found.append(line)
    return found
