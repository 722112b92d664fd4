"""The example of docs/workflow-testing.md does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.trial.conftest import Opscore

TEXT = (Path(__file__).parents[3] / "docs/workflow-testing.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_example_runs_as_it_is_shown(
    opscore: Opscore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    template, cases = blocks("yaml")
    Path("triage.yaml").write_text(template)
    Path("triage.test.yaml").write_text(cases)
    [shown] = blocks("console")
    command, _, output = shown.partition("\n")

    result = opscore(*command.removeprefix("$ opscore ").split())

    assert (result.stdout, result.stderr) == (output, "")
