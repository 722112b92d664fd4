import json
from pathlib import Path

import pytest
import requests

from tests.unit.clients.conftest import Opscore
from tests.unit.clients.fake_api import KEY, Answer, FakeOpsCore, an_agent

COMMANDS = [
    ("agent", "list"),
    ("agent", "show", "a-1"),
    ("dead-letter", "list"),
    ("dead-letter", "show", "d-1"),
    ("session", "list"),
    ("session", "show", "session-1"),
    ("session", "watch", "session-1"),
    ("session", "cancel", "session-1"),
    ("session", "pause", "session-1"),
    ("session", "resume", "session-1"),
    ("agent", "deregister", "a-1"),
    ("workflow", "list"),
    ("workflow", "show", "w"),
    ("workflow", "delete", "w"),
    ("run", "w"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_in_one_line_that_the_key_is_refused(
    opscore: Opscore, command: tuple[str, ...]
) -> None:
    result = opscore(*command, env={"OPSCORE_KEY": "wrong"})

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "opscore: Forbidden (403 no_code)\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_writes_json_for_programs(
    api: FakeOpsCore, opscore: Opscore, command: tuple[str, ...]
) -> None:
    api.agents["a-1"] = an_agent("a-1")
    api.dead_letters["d-1"] = {"deadLetterId": "d-1", "recordedAt": "2026-11-22T10:00:00Z"}
    template = b"id: w\nname: W\ntasks: []\n"
    requests_session = api.open_session()
    requests_session.headers["Authorization"] = f"Bearer {KEY}"
    requests_session.put("https://x/v1/opscore/workflow/w", data=template, timeout=1)
    opscore("run", "w", "--no-watch")
    api.plays["w"] = [{"status": "running"}, {"status": "completed"}]
    if command[0] != "run" and command[:2] != ("session", "watch"):
        api.plays.clear()

    result = opscore(*command, "--json")

    assert result.exit_code == 0
    assert isinstance(json.loads(result.stdout), dict)
    assert result.stderr == ""


def test_connection_options_may_stand_before_or_after_the_command(
    api: FakeOpsCore, opscore: Opscore, tmp_path: Path
) -> None:
    key_file = tmp_path / "operator.key"
    key_file.write_text(f"{KEY}\n")
    options = ("--url", "https://other.example/path/", "--key-file", str(key_file))
    api.prefix = "/path"

    for line in (("agent", "list", *options, "--json"), (*options, "--json", "agent", "list")):
        result = opscore(
            *line, env={"OPSCORE_KEY": "wrong", "OPSCORE_URL": "https://wrong.example"}
        )
        assert json.loads(result.stdout) == {"items": [], "nextCursor": None}


def test_the_key_file_may_come_from_the_environment(opscore: Opscore, tmp_path: Path) -> None:
    key_file = tmp_path / "operator.key"
    key_file.write_text(KEY)

    result = opscore("agent", "list", env={"OPSCORE_KEY_FILE": str(key_file), "OPSCORE_KEY": ""})

    assert result.exit_code == 0


def test_a_key_file_that_cannot_be_read_is_named(opscore: Opscore, tmp_path: Path) -> None:
    result = opscore("agent", "list", "--key-file", str(tmp_path / "none"))

    assert result.exit_code == 1
    assert result.stderr == f"opscore: cannot read the key file {tmp_path / 'none'}\n"


@pytest.mark.parametrize(
    ("args", "env", "message"),
    [
        (("agent", "list"), {"OPSCORE_URL": ""}, "no URL: give --url or set OPSCORE_URL"),
        (
            ("agent", "list", "--url", "ops"),
            {},
            "the base URL must be http(s)://host[:port][/path]",
        ),
        (("agent", "show"), {}, "Missing argument 'AGENT_ID'."),
        (("--nonsense",), {}, "No such option: --nonsense"),
        (("agents",), {}, "No such command 'agents'. Did you mean 'agent'?"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    opscore: Opscore, args: tuple[str, ...], env: dict[str, str], message: str
) -> None:
    result = opscore(*args, env=env)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == f"opscore: {message}\n"


def test_there_is_no_option_that_takes_a_key(opscore: Opscore) -> None:
    assert opscore("agent", "list", "--key", KEY).exit_code == 2


def test_a_server_that_cannot_be_reached_is_one_line(api: FakeOpsCore, opscore: Opscore) -> None:
    api.troubles = [requests.ConnectionError("refused")] * 9

    result = opscore("agent", "list")

    assert result.exit_code == 1
    assert result.stderr == "opscore: cannot reach https://ops.example\n"


def test_something_else_at_the_url_is_one_line(api: FakeOpsCore, opscore: Opscore) -> None:
    api.troubles = [Answer(200, "<html>hello</html>")]

    result = opscore("agent", "list")

    assert result.exit_code == 1
    assert result.stderr == "opscore: 200 without a JSON object; is the URL Ops-Core's?\n"


def test_help_needs_neither_url_nor_key(opscore: Opscore) -> None:
    result = opscore("session", "watch", "--help", env={"OPSCORE_URL": "", "OPSCORE_KEY": ""})

    assert result.exit_code == 0
    assert "succeeds only if it completed" in result.stdout


def test_an_interrupt_is_no_traceback(api: FakeOpsCore, opscore: Opscore) -> None:
    api.troubles = [KeyboardInterrupt()]

    result = opscore("agent", "list")

    assert result.exit_code == 130
