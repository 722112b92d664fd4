"""The `opscore` command, as a person runs it, on the deployed local stack."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.settings import REGION, STACK_NAME
from infra.local.stack import LocalStack
from tests.e2e.api import Api

COUNT = """\
id: cli-count
name: Count the words
defaults:
  timeout: 20s
  retry: {maxRetries: 1, interval: 1s, jitter: none}
tasks:
  - taskId: count
    agentCapability: cli.count
    parameters: {text: "{% $input.text %}"}
  - taskId: repeat
    agentCapability: cli.count
    parameters: {words: "{% $tasks.count.words %}"}
"""
REFUSED = """\
id: cli-refused
name: Nobody can do this
tasks:
  - {taskId: impossible, agentCapability: cli.impossible, retry: {maxRetries: 0}}
"""

Run = subprocess.CompletedProcess[str]
Opscore = Callable[..., Run]


@pytest.fixture(scope="module")
def opscore(stack: LocalStack, keys: dict[str, str]) -> Opscore:
    """Run the command with the operator's key and the local AWS's credentials."""

    def run(*args: str, key: str = keys["operator"]) -> Run:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "OPSCORE_URL": stack.addresses.base_url,
            "OPSCORE_KEY": key,
            "AWS_ENDPOINT_URL": stack.addresses.aws_endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        return subprocess.run(
            [sys.executable, "-m", "opscore_cli", *args],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def good(stack: LocalStack, api: Api) -> Iterator[str]:
    """An agent that can do what these workflows ask."""
    stack.start_agent("good", "cli-good", ("cli.count",), work_seconds=0.1)
    agent_id = stack.agent_id("cli-good")
    yield agent_id
    stack.kill_agent("cli-good")
    api.delete(f"agent/{agent_id}")


@pytest.fixture(scope="module")
def broken(stack: LocalStack) -> Iterator[str]:
    stack.start_agent("broken", "cli-broken", ("cli.impossible",), work_seconds=0.1)
    yield stack.agent_id("cli-broken")
    stack.kill_agent("cli-broken")


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "count.yaml"
    path.write_text(COUNT)
    return path


def test_validate_finds_everything_with_its_place(opscore: Opscore, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(COUNT.replace("tasks.count", "tasks.cuont") + "    nextTaskId: conut\n")

    result = opscore("workflow", "validate", str(path))

    assert result.returncode == 1
    places = re.findall(rf"^{re.escape(str(path))}:(\d+):\d+ (OC\d+) ", result.stdout, re.MULTILINE)
    assert ("12", "OC023") in places
    assert ("13", "OC012") in places
    assert "hint: did you mean 'count'?" in result.stdout
    assert result.stderr == "opscore: 1 of 1 templates not valid\n"


def test_apply_makes_versions(opscore: Opscore, template: Path) -> None:
    first = opscore("workflow", "apply", str(template))
    again = opscore("workflow", "apply", str(template), "--json")
    template.write_text(COUNT.replace("Count the words", "Count words"))
    changed = json.loads(opscore("workflow", "apply", str(template), "--json").stdout)

    assert first.stdout.startswith(f"{template}: cli-count version ")
    (same,) = json.loads(again.stdout)["files"]
    (newer,) = changed["files"]
    assert (same["changed"], newer["changed"]) == (False, True)
    assert newer["version"] == same["version"] + 1

    shown = json.loads(opscore("workflow", "show", "cli-count", "--json").stdout)
    assert shown["name"] == "Count words"
    assert [version["version"] for version in shown["versions"]][:2] == [
        newer["version"],
        same["version"],
    ]
    listed = json.loads(opscore("workflow", "list", "--json").stdout)
    assert "cli-count" in {workflow["workflowId"] for workflow in listed["items"]}


@pytest.mark.usefixtures("good")
def test_run_watches_a_session_to_its_end(opscore: Opscore, template: Path) -> None:
    opscore("workflow", "apply", str(template))

    result = opscore("run", "cli-count", "--input", '{"text": "one two three"}')

    assert (result.returncode, result.stderr) == (0, "")
    session_id = result.stdout.splitlines()[0].removeprefix("session ")
    assert re.search(r"count: attempt 1 goes to agent-good-\w+$", result.stdout, re.MULTILINE)
    assert re.search(r"session completed after [0-9.]+ s$", result.stdout)

    session = json.loads(opscore("session", "show", session_id, "--json").stdout)
    assert session["status"] == "completed"
    assert session["result"] == {"echo": {"words": 3}}
    shown = opscore("session", "show", session_id).stdout
    assert re.search(r"^count\tattempt 1\tagent-good-\w+\tdone\t[0-9.]+ s\t-$", shown, re.MULTILINE)
    listed = opscore("session", "list", "--workflow", "cli-count", "--status", "completed")
    assert session_id in [line.split("\t")[0] for line in listed.stdout.splitlines()]


@pytest.mark.usefixtures("good")
def test_run_of_a_file_and_its_idempotency_key(opscore: Opscore, template: Path) -> None:
    line = ("run", str(template), "--no-watch", "--input", '{"text": "a"}')

    first, second = (opscore(*line, "--idempotency-key", "cli-once") for _ in range(2))

    assert first.returncode == 0
    assert first.stdout == second.stdout
    assert opscore("session", "watch", first.stdout.strip()).returncode == 0


@pytest.mark.usefixtures("broken")
def test_run_fails_with_the_session(opscore: Opscore, tmp_path: Path) -> None:
    path = tmp_path / "refused.yaml"
    path.write_text(REFUSED)

    result = opscore("run", str(path))

    assert result.returncode == 1
    assert "impossible: attempt 1 by agent-broken-" in result.stdout
    assert re.fullmatch(
        r"opscore: session \S+ failed: AgentError: could not do task \d+\n", result.stderr
    )


def test_cancel_ends_a_session_that_waits(opscore: Opscore, tmp_path: Path) -> None:
    path = tmp_path / "waits.yaml"
    path.write_text(REFUSED.replace("cli.impossible", "cli.nobody"))
    session_id = opscore("run", str(path), "--no-watch").stdout.strip()

    assert opscore("session", "cancel", session_id).stdout == f"session {session_id}: cancelled\n"
    assert opscore("session", "watch", session_id).returncode == 1


def test_agents_are_listed_and_shown(opscore: Opscore, good: str) -> None:
    listed = opscore("agent", "list", "--capability", "cli.count")
    shown = json.loads(opscore("agent", "show", good, "--json").stdout)

    assert [line.split("\t")[0] for line in listed.stdout.splitlines()] == [good]
    assert shown["capabilities"] == ["cli.count"]
    missing = opscore("agent", "show", "nobody")
    assert missing.returncode == 1
    assert missing.stderr == "opscore: Agent not found: nobody (404 agent_not_found)\n"


def test_dead_letters_are_listed(opscore: Opscore) -> None:
    result = opscore("dead-letter", "list", "--json")

    assert result.returncode == 0
    assert isinstance(json.loads(result.stdout)["items"], list)


def test_a_new_key_opens_what_its_scope_allows(opscore: Opscore, good: str) -> None:
    line = ("key", "create", "--stack", STACK_NAME, "--name", "e2e", "--expires-in", "1d")
    operator = opscore(*line, "--scope", "operator").stdout.strip()
    agent = json.loads(opscore(*line, "--scope", "agent", "--json").stdout)["key"]

    assert opscore("agent", "list", key=operator).returncode == 0
    assert opscore("agent", "show", good, key=agent).returncode == 0
    refused = opscore("agent", "list", key=agent)
    assert refused.returncode == 1
    assert re.fullmatch(r"opscore: .+ \(403 \w+\)\n", refused.stderr)


def test_a_key_that_nobody_made_is_refused(opscore: Opscore) -> None:
    refused = opscore("agent", "list", key="opscore_made-up")

    assert refused.returncode == 1
    assert re.fullmatch(r"opscore: .+ \(40[13] \w+\)\n", refused.stderr)
