"""A build is packed once, as `sam deploy` would have packed it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from infra.local.pack import pack

TEMPLATE = """
Resources:
  Work:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: Work, Handler: functions.work.app.handler}
  Table:
    Type: AWS::DynamoDB::Table
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    code = tmp_path / "Work" / "functions" / "work"
    code.mkdir(parents=True)
    (code / "app.py").write_text("handler = print\n")
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE)
    return template


def test_folders_become_archives_that_hold_their_files(template: Path) -> None:
    packed = pack(template)

    work = json.loads(packed.read_text())["Resources"]["Work"]["Properties"]
    assert work == {"CodeUri": "Work.zip", "Handler": "functions.work.app.handler"}
    with zipfile.ZipFile(packed.with_name("Work.zip")) as archive:
        assert archive.read("functions/work/app.py") == b"handler = print\n"


def test_build_is_packed_once(template: Path) -> None:
    first = pack(template).stat().st_mtime_ns

    assert pack(template).stat().st_mtime_ns == first
