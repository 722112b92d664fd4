import json
from pathlib import Path

import pytest

from tests.unit.clients.conftest import Opscore
from tests.unit.clients.fake_api import FakeOpsCore, a_session, a_task, an_attempt
from tests.unit.clients.plays import BROKE, a_whole_session, frames


def test_run_tells_each_thing_once_as_it_happens(api: FakeOpsCore, opscore: Opscore) -> None:
    api.plays["sample_workflow_id"] = frames()

    result = opscore("run", "sample_workflow_id", "--agent", "flaky")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "session session-1"
    assert lines[1:5] == [
        "    0.0 s  session started: sample_workflow_id version 1, for flaky",
        "    1.0 s  collect: attempt 1 goes to flaky",
        "    1.5 s  collect: attempt 1 by flaky failed after 0.5 s: AgentError: the disk is full",
        "    3.0 s  collect: retry 1 goes to good",
    ]
    assert lines[-1] == "    9.0 s  session completed after 9.0 s"
    assert len(lines) == len(set(lines)) == 16


def test_run_shows_a_live_table_at_a_terminal(
    api: FakeOpsCore, opscore: Opscore, at_terminal: dict[str, str]
) -> None:
    api.plays["sample_workflow_id"] = frames()

    result = opscore("run", "sample_workflow_id", env=at_terminal)

    assert result.exit_code == 0
    table = [line.split() for line in result.stdout.splitlines()]
    assert ["collect", "attempt", "1", "flaky", "failed", "0.5", "s"] in [x[:7] for x in table]
    assert ["fallback", "1", "good", "done", "1.0", "s", "-"] in table
    assert ["sample_workflow_id", "completed", "9.0", "s"] in table


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_run_fails_unless_the_session_completed(
    api: FakeOpsCore, opscore: Opscore, status: str
) -> None:
    api.plays["sample_workflow_id"] = [{}, {"status": status, "error": BROKE}]

    result = opscore("run", "sample_workflow_id")

    assert result.exit_code == 1
    assert result.stderr == (f"opscore: session session-1 {status}: AgentError: the disk is full\n")


def test_run_gives_programs_the_session_as_it_ended(api: FakeOpsCore, opscore: Opscore) -> None:
    api.plays["sample_workflow_id"] = frames()

    session = json.loads(opscore("run", "sample_workflow_id", "--json").stdout)

    assert session["status"] == "completed"
    assert [task["taskDefinitionId"] for task in session["tasks"]] == [
        "collect",
        "analyse",
        "publish",
    ]


def test_run_without_watching_prints_the_session_id(api: FakeOpsCore, opscore: Opscore) -> None:
    assert opscore("run", "sample_workflow_id", "--no-watch").stdout == "session-1\n"
    started = json.loads(opscore("run", "sample_workflow_id", "--no-watch", "--json").stdout)
    assert started["sessionId"] == "session-2"
    assert {seen.method for seen in api.seen} == {"POST"}


def test_run_takes_its_input_from_text_file_or_stdin(
    api: FakeOpsCore, opscore: Opscore, tmp_path: Path
) -> None:
    path = tmp_path / "input.json"
    path.write_text('{"from": "file"}')

    opscore("run", "sample_workflow_id", "--no-watch", "--input", '{"from": "text"}')
    opscore("run", "sample_workflow_id", "--no-watch", "--input", f"@{path}")
    opscore("run", "sample_workflow_id", "--no-watch", "--input", "@-", input='{"from": "stdin"}')

    assert [s["input"]["from"] for s in api.sessions.values()] == ["text", "file", "stdin"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{", "--input is not JSON: "),
        ("[1]", "--input must be a JSON object"),
        ("@/nowhere/x.json", "--input: cannot read /nowhere/x.json: No such file or directory"),
    ],
)
def test_an_input_that_is_no_object_is_wrong_usage(
    api: FakeOpsCore, opscore: Opscore, given: str, message: str
) -> None:
    result = opscore("run", "sample_workflow_id", "--input", given)

    assert result.exit_code == 2
    assert result.stderr.startswith(f"opscore: {message}")
    assert api.sessions == {}


def test_run_with_one_idempotency_key_starts_one_session(
    api: FakeOpsCore, opscore: Opscore
) -> None:
    for _ in range(2):
        opscore("run", "sample_workflow_id", "--no-watch", "--idempotency-key", "k")

    assert list(api.sessions) == ["session-1"]


def test_run_of_a_file_sends_the_template_inline(
    api: FakeOpsCore, opscore: Opscore, tmp_path: Path
) -> None:
    path = tmp_path / "once.yaml"
    path.write_text("id: once\nname: Once\nsince: 2026-11-22\nflag: no\ntasks: []\n")

    result = opscore("run", str(path), "--no-watch")

    assert result.exit_code == 0
    assert api.inline == [
        {"id": "once", "name": "Once", "since": "2026-11-22", "flag": "no", "tasks": []}
    ]
    assert "once" not in api.workflows


def test_run_of_a_wrong_file_starts_nothing(
    api: FakeOpsCore, opscore: Opscore, tmp_path: Path
) -> None:
    path = tmp_path / "once.yaml"
    path.write_text("id: once\nnextTaskId: clsoe\n")

    result = opscore("run", str(path))

    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{path}:2:13 OC012 nextTaskId 'clsoe' is not a task of this list",
        "    hint: did you mean 'close'?",
        f"opscore: {path} is not valid",
    ]
    assert api.sessions == {}


def test_run_of_an_unknown_workflow_is_one_line(opscore: Opscore) -> None:
    result = opscore("run", "nothing")

    assert result.exit_code == 1
    assert result.stderr == (
        "opscore: Workflow definition not found: nothing (404 workflow_not_found)\n"
    )


def test_show_has_fields_attempts_and_story(api: FakeOpsCore, opscore: Opscore) -> None:
    api.sessions["s-1"] = a_whole_session()

    fields, attempts, story = opscore("session", "show", "s-1").stdout.split("\n\n")

    assert "workflow\ttriage version 1" in fields.splitlines()
    assert 'result\t{"ok": true}' in fields.splitlines()
    assert attempts.splitlines()[1] == "collect\tretry 1\tgood\tdone\t1.2 s\t-"
    assert "    6.0 s  analyse: fallback 1 goes to good" in story.splitlines()


def test_show_of_a_session_without_tasks(api: FakeOpsCore, opscore: Opscore) -> None:
    api.sessions["s-1"] = a_session("s-1", "empty", status="completed")

    fields, story = opscore("session", "show", "s-1").stdout.split("\n\n")

    assert "status\tcompleted" in fields.splitlines()
    assert len(story.splitlines()) == 2


def test_watch_joins_a_session_that_runs(api: FakeOpsCore, opscore: Opscore) -> None:
    api.sessions["s-1"] = a_session("s-1", "triage")
    api.plays["triage"] = frames()

    result = opscore("session", "watch", "s-1")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "    9.0 s  session completed after 9.0 s"


def test_a_session_is_paused_and_resumed(api: FakeOpsCore, opscore: Opscore) -> None:
    api.sessions["s-1"] = a_session("s-1", "triage")

    assert opscore("session", "pause", "s-1").stdout == "session s-1: paused\n"
    assert opscore("session", "resume", "s-1").stdout == "session s-1: running\n"


def test_cancel_says_that_a_session_tidies_up_first_and_can_stop_it(
    api: FakeOpsCore, opscore: Opscore
) -> None:
    ending = {
        "status": "failed",
        "error": None,
        "since": "2026-11-22T10:00:00Z",
        "cleanup": {"status": "running", "error": None},
    }
    api.sessions["s-1"] = a_session("s-1", "triage", ending=ending)

    first = opscore("session", "cancel", "s-1").stdout
    second = opscore("session", "cancel", "s-1", "--no-cleanup").stdout

    assert first == "session s-1: running, tidying up, then failed\n"
    assert second == "session s-1: failed\n"


def test_cancel_ends_a_session_once(api: FakeOpsCore, opscore: Opscore) -> None:
    api.sessions["s-1"] = a_session("s-1", "triage")

    assert opscore("session", "cancel", "s-1").stdout == "session s-1: cancelled\n"
    again = opscore("session", "cancel", "s-1")
    assert again.exit_code == 1
    assert again.stderr == "opscore: Session is cancelled: s-1 (409 session_ended)\n"


def test_an_interrupted_watch_says_that_the_session_goes_on(
    api: FakeOpsCore, opscore: Opscore
) -> None:
    api.sessions["s-1"] = a_session("s-1", "triage")
    api.troubles = [KeyboardInterrupt()]

    result = opscore("session", "watch", "s-1")

    assert result.exit_code == 130
    assert "look again with: opscore session watch s-1\n" in result.stderr


# ---- run again


def test_an_ended_session_runs_again_and_is_watched(api: FakeOpsCore, opscore: Opscore) -> None:
    api.sessions["s-1"] = a_session("s-1", "triage", status="failed")
    api.plays["triage"] = frames()

    result = opscore("session", "rerun", "s-1", "--from", "analyse")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:5] == [
        "session\tsession-2",
        "rerun of\ts-1",
        "workflow\ttriage version 1",
        "from\tanalyse",
        "kept\tcollect, analyse",
    ]
    assert lines[5].endswith("session started: triage version 1, a rerun of s-1")
    assert lines[-1].endswith("session completed after 9.0 s")


def test_a_session_runs_again_on_a_version(api: FakeOpsCore, opscore: Opscore) -> None:
    api.sessions["s-1"] = a_session("s-1", "triage", status="failed")

    for version in ("current", "3"):
        opscore("session", "rerun", "s-1", "--version", version, "--no-watch")

    assert [seen.json()["workflowVersion"] for seen in api.seen] == ["current", 3]


def test_a_dry_run_of_a_rerun_starts_nothing(api: FakeOpsCore, opscore: Opscore) -> None:
    api.sessions["s-1"] = a_session("s-1", "triage", status="failed")

    result = opscore("session", "rerun", "s-1", "--dry-run")

    assert result.stdout.startswith("session\tnone: a dry run\n")
    assert list(api.sessions) == ["s-1"]
    planned = json.loads(opscore("session", "rerun", "s-1", "--dry-run", "--json").stdout)
    assert planned["kept"] == ["collect", "analyse"]


def test_a_session_that_runs_still_does_not_run_again(api: FakeOpsCore, opscore: Opscore) -> None:
    api.sessions["s-1"] = a_session("s-1", "triage")

    result = opscore("session", "rerun", "s-1")

    assert (result.exit_code, result.stderr) == (
        1,
        "opscore: the session is running (409 session_not_final)\n",
    )


def test_a_kept_result_says_where_it_was_made(api: FakeOpsCore, opscore: Opscore) -> None:
    kept = an_attempt("t9", None, None, 2.0) | {"keptFrom": {"sessionId": "s-0", "attemptId": "t1"}}
    api.sessions["s-1"] = a_session(
        "s-1",
        "triage",
        rerunOf="s-0",
        reruns=["s-2"],
        tasks=[a_task("collect", [kept], "completed")],
    )

    shown = opscore("session", "show", "s-1").stdout

    assert "rerun of\ts-0\n" in shown
    assert "reruns\ts-2\n" in shown
    assert "collect\tattempt 1\t-\tkept\t" in shown
    assert "collect: attempt 1 keeps the result of session s-0" in shown
