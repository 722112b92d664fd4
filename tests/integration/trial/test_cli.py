"""`opscore workflow test`: what it prints, and what its exit status tells."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from typer.testing import Result

from tests.integration.trial.conftest import Opscore

TEMPLATE = """
id: note
name: Note
tasks:
  - {taskId: write, agentCapability: c, retry: {maxRetries: 1, jitter: none}}
  - {taskId: approve, approval: {timeout: 24h}}
onFailure:
  - {taskId: page, agentCapability: notify}
"""

CASES = """\
answers: {write: {result: text}, page: {result: null}}
cases:
  - name: it is approved
    answers:
      write: [{error: AgentError}, {result: text}]
      approve: {approved: true}
    expect: {asked: [write, write, approve]}
  - name: nobody looks
    answers: {approve: {silent: true}}
    expect: {error: Timeout}
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "note.yaml"
    path.write_text(TEMPLATE)
    path.with_name("note.test.yaml").write_text(CASES)
    return path


def lines(result: Result) -> list[str]:
    """What was printed, whatever prices are."""
    return re.sub(r"\$[0-9.]+", "$X", result.stdout).splitlines()


def test_a_line_tells_of_each_case(opscore: Opscore, template: Path) -> None:
    result = opscore("workflow", "test", str(template))

    assert result.exit_code == 0
    assert lines(result) == [
        str(template.with_name("note.test.yaml")),
        "  ok      it is approved  completed, 5.0 s, 2 states entered and 1 retry, $X per 1,000",
        "  ok      nobody looks    failed: Timeout, 1 d 0 h, 4 states entered, $X per 1,000",
        "all 2 cases passed",
    ]


def test_the_course_of_a_failed_case_is_shown(opscore: Opscore, template: Path) -> None:
    cases = template.with_name("note.test.yaml")
    cases.write_text(CASES.replace("error: Timeout", "result: {}"))

    result = opscore("workflow", "test", str(template))

    assert result.exit_code == 1
    assert result.stderr == "opscore: 1 of 2 cases failed\n"
    why = "Timeout: nobody approved or rejected within 86400 s"
    assert lines(result)[2:] == [
        "  FAILED  nobody looks    failed: Timeout, 1 d 0 h, 4 states entered, $X per 1,000",
        f"          {cases}:10:13 the session failed, and should have completed: {why}",
        "          asked      write, approve",
        "          path       write > approve",
        f"          error      {why}",
        "          afterwards page",
    ]


def test_details_show_the_course_of_every_case(opscore: Opscore, template: Path) -> None:
    shown = opscore("workflow", "test", "--details", str(template)).stdout

    assert "          asked      write x2, approve\n" in shown
    assert "          asked      write, approve\n" in shown


def test_programs_get_one_document(opscore: Opscore, template: Path) -> None:
    result = opscore("workflow", "test", "--json", str(template))

    document = json.loads(result.stdout)
    [file] = document["files"]
    approved, waited = file["cases"]
    assert (result.exit_code, document["passed"], file["file"]) == (0, True, str(template))
    assert (approved["status"], approved["result"]["approved"]) == ("completed", True)
    assert [(one["task"], one["retry"]) for one in approved["asked"]] == [
        ("write", 0), ("write", 1), ("approve", 0),
    ]  # fmt: skip
    assert (waited["error"]["code"], waited["seconds"]) == ("Timeout", 86_401)
    assert 0 < waited["dollarsPer1000"] < 1
    assert waited["statesEntered"] == len(waited["path"]) + len(waited["afterwardsPath"])


def test_faults_of_a_case_file_are_shown_with_their_place(opscore: Opscore, template: Path) -> None:
    cases = template.with_name("note.test.yaml")
    cases.write_text(CASES.replace("write: {result: text}", "wriet: {result: text}"))

    result = opscore("workflow", "test", str(template))
    document = json.loads(opscore("workflow", "test", "--json", str(template)).stdout)

    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{cases}:1:11 OC012 the template asks nobody for a task 'wriet'",
        "    hint: did you mean 'write'?",
        "opscore: 1 of 1 templates could not be tried",
    ]
    [error] = document["files"][0]["invalid"]["errors"]
    assert (error["code"], error["line"], error["column"]) == ("OC012", 1, 11)


def test_faults_of_a_template_are_shown_and_other_templates_tried(
    opscore: Opscore, template: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("id: broken\nname: Broken\ntasks: []\nnotes: none\n")

    result = opscore("workflow", "test", str(broken), str(template))

    assert result.exit_code == 1
    assert f"{broken}:4:1 OC011 there is no field 'notes' here" in result.stderr
    assert "it is approved" in result.stdout


def test_case_files_among_the_arguments_are_passed_over(opscore: Opscore, template: Path) -> None:
    cases = template.with_name("note.test.yaml")

    both = opscore("workflow", "test", str(cases), str(template))
    alone = opscore("workflow", "test", str(cases))

    assert (both.exit_code, both.stdout.count("it is approved")) == (0, 1)
    assert (alone.exit_code, "name the templates" in alone.stderr) == (2, True)


def test_a_template_without_cases_is_wrong_usage(opscore: Opscore, tmp_path: Path) -> None:
    lonely = tmp_path / "lonely.yaml"
    lonely.write_text(TEMPLATE)

    without = opscore("workflow", "test", str(lonely))
    missing = opscore("workflow", "test", str(tmp_path / "missing.yaml"))

    assert (without.exit_code, missing.exit_code) == (2, 2)
    assert without.stderr == (
        f"opscore: {lonely} has no cases: there is no {tmp_path / 'lonely.test.yaml'}\n"
    )
    assert missing.stderr.startswith(f"opscore: cannot read {tmp_path / 'missing.yaml'}: ")


def test_what_is_not_installed_is_named(
    opscore: Opscore, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "greenlet", None)  # as if it were not there

    result = opscore("workflow", "test", str(template))

    assert result.exit_code == 1
    assert result.stderr == (
        "opscore: workflow test needs more than is installed: pip install 'ops-core[trial]'\n"
    )
