import json
from pathlib import Path

import pytest

from tests.unit.clients.conftest import Opscore
from tests.unit.clients.fake_api import Answer, FakeOpsCore

GOOD = "id: triage\nname: Triage\ntasks: []\n"
BAD = "id: other\nname: Other\ntasks:\n  - {taskId: a, nextTaskId: clsoe}\n"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    return path


def test_validate_shows_place_code_message_and_hint(
    api: FakeOpsCore, opscore: Opscore, good: Path, bad: Path
) -> None:
    result = opscore("workflow", "validate", str(good), str(bad))

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{good}: valid",
        f"{bad}:4:29 OC012 nextTaskId 'clsoe' is not a task of this list",
        "    hint: did you mean 'close'?",
    ]
    assert result.stderr == "opscore: 1 of 2 templates not valid\n"
    assert list(api.workflows) == ["sample_workflow_id"]


def test_validate_reports_to_programs(opscore: Opscore, good: Path, bad: Path) -> None:
    result = opscore("workflow", "validate", "--json", str(good), str(bad))

    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["valid"] is False
    assert [(file["file"], file["valid"]) for file in report["files"]] == [
        (str(good), True),
        (str(bad), False),
    ]
    assert report["files"][1]["errors"][0]["code"] == "OC012"


def test_apply_uploads_and_says_the_version(api: FakeOpsCore, opscore: Opscore, good: Path) -> None:
    assert opscore("workflow", "apply", str(good)).stdout == f"{good}: triage version 1 (new)\n"
    assert opscore("workflow", "apply", str(good)).stdout == (
        f"{good}: triage version 1 (unchanged)\n"
    )
    good.write_text(GOOD + "version: '2'\n")
    assert opscore("workflow", "apply", str(good)).stdout == f"{good}: triage version 2 (new)\n"
    assert len(api.workflows["triage"]) == 2


def test_apply_uploads_nothing_if_one_template_is_wrong(
    api: FakeOpsCore, opscore: Opscore, good: Path, bad: Path
) -> None:
    result = opscore("workflow", "apply", str(good), str(bad))

    assert result.exit_code == 1
    assert result.stdout == ""
    assert f"{bad}:4:29 OC012" in result.stderr
    assert "triage" not in api.workflows


def test_apply_reports_to_programs(opscore: Opscore, good: Path, bad: Path) -> None:
    done = json.loads(opscore("workflow", "apply", "--json", str(good)).stdout)
    assert (done["valid"], done["files"][0]["version"], done["files"][0]["changed"]) == (
        True,
        1,
        True,
    )
    refused = opscore("workflow", "apply", "--json", str(good), str(bad))
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["valid"] is False


def test_json_templates_are_sent_as_json(
    api: FakeOpsCore, opscore: Opscore, tmp_path: Path
) -> None:
    path = tmp_path / "flow.json"
    path.write_text(json.dumps({"id": "flow", "name": "Flow", "tasks": []}))

    assert opscore("workflow", "apply", str(path)).exit_code == 0
    assert {seen.headers["Content-Type"] for seen in api.seen} == {"application/json"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: no id\n", "has no id"),
        ("- a list\n", "is not a workflow template"),
        ("a: [\n", "is neither YAML nor JSON"),
    ],
)
def test_apply_needs_the_templates_id(
    opscore: Opscore, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text)

    result = opscore("workflow", "apply", str(path))

    assert result.exit_code == 1
    assert result.stderr == f"opscore: {path} {message}\n"


def test_a_file_that_is_not_there_is_wrong_usage(opscore: Opscore, tmp_path: Path) -> None:
    result = opscore("workflow", "validate", str(tmp_path / "none.yaml"))

    assert result.exit_code == 2
    assert (
        result.stderr
        == f"opscore: cannot read {tmp_path / 'none.yaml'}: No such file or directory\n"
    )


def test_show_has_the_versions(opscore: Opscore, good: Path) -> None:
    opscore("workflow", "apply", str(good))
    good.write_text(GOOD + "version: '2'\n")
    opscore("workflow", "apply", str(good))

    shown = opscore("workflow", "show", "triage").stdout.splitlines()

    assert shown[0] == "workflow\ttriage"
    assert [line.split("\t")[:2] for line in shown[-2:]] == [["2", "2"], ["1", "1.0"]]


def test_a_finding_without_a_line_shows_its_path(
    api: FakeOpsCore, opscore: Opscore, good: Path
) -> None:
    whole = {"code": "OC034", "message": "too large", "line": None, "column": None, "hint": ""}
    finding = {**whole, "path": "tasks[0]"}
    api.troubles = [
        Answer(200, {"valid": False, "errors": [finding, {**whole, "path": ""}], "warnings": []})
    ]

    assert opscore("workflow", "validate", str(good)).stdout.splitlines() == [
        f"{good}:tasks[0] OC034 too large",
        f"{good} OC034 too large",
    ]


def test_price_compares_the_best_case_with_the_worst(opscore: Opscore, tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text("id: one\nname: One\ntasks:\n  - {taskId: a, retry: {maxRetries: 4}}\n")

    shown = opscore("workflow", "price", str(path))
    report = json.loads(opscore("workflow", "price", "--json", str(path)).stdout)

    assert "billed transitions\t1\t5" in shown.stdout
    assert report["files"][0]["worst"]["transitions"] == 5


@pytest.mark.parametrize(("budget", "status"), [("5", 0), ("4", 1)])
def test_price_fails_a_build_that_may_cost_too_much(
    opscore: Opscore, tmp_path: Path, budget: str, status: int
) -> None:
    path = tmp_path / "one.yaml"
    path.write_text("id: one\nname: One\ntasks:\n  - {taskId: a, retry: {maxRetries: 4}}\n")

    result = opscore("workflow", "price", str(path), "--max-transitions", budget)

    assert result.exit_code == status
    assert ("over 4" in result.stderr) == bool(status)


def test_price_of_what_is_not_valid_says_why(opscore: Opscore, bad: Path) -> None:
    result = opscore("workflow", "price", str(bad), "--max-cost", "1")

    assert result.exit_code == 1
    assert "OC012" in result.stderr


def test_a_workflow_is_deleted(api: FakeOpsCore, opscore: Opscore) -> None:
    assert opscore("workflow", "delete", "sample_workflow_id").stdout == (
        "workflow sample_workflow_id is deleted\n"
    )
    assert api.workflows == {}
    again = opscore("workflow", "delete", "sample_workflow_id")
    assert (again.exit_code, "workflow_not_found" in again.stderr) == (1, True)
