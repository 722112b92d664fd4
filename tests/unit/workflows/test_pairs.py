from __future__ import annotations

import pytest

from opscore.workflows.findings import Code
from tests.unit.workflows import pairs


@pytest.mark.parametrize("name", pairs.golden_templates())
def test_template_compiles_to_its_golden_definition(name: str) -> None:
    path = pairs.cleanup_path(name)

    assert pairs.definition(name) == pairs.definition_path(name).read_text()
    assert pairs.cleanup(name) == (path.read_text() if path.exists() else None)


@pytest.mark.parametrize("name", pairs.fault_templates())
def test_everything_wrong_is_said_in_these_words(name: str) -> None:
    assert pairs.messages(name) == pairs.messages_path(name).read_text()


def test_every_code_has_an_example() -> None:
    said = "".join(pairs.messages(name) for name in pairs.fault_templates())

    assert [code for code in Code if f" {code} " not in said] == []
