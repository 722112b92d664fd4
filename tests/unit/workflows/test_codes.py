"""Each code is explained by a template that has it, and by one that is mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from opscore.workflows.checks import check
from opscore.workflows.findings import Code
from opscore_cli import codes

ROOT = Path(__file__).parents[3]


def test_every_code_is_explained() -> None:
    assert list(codes.codes()) == sorted(Code)


@pytest.mark.parametrize("code", sorted(Code))
def test_the_wrong_template_has_the_code_and_the_right_one_has_nothing(code: Code) -> None:
    found = codes.codes()[code]

    wrong, right = check(found.wrong), check(codes.template(found.right))

    assert code in {finding.code for finding in (*wrong.errors, *wrong.warnings)}
    assert (right.errors, right.warnings) == ([], [])


def test_the_page_is_current() -> None:
    assert (ROOT / "docs/workflow-codes.md").read_text() == codes.page()
