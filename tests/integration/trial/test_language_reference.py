"""Each template of the language's reference does what the cases below it say."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from opscore.workflows import grammar
from opscore_trial.files import read_suite

REFERENCE = (Path(__file__).parents[3] / "docs/workflow-language.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", REFERENCE, re.DOTALL)
PAIRS = [
    (template, cases)
    for template, cases in itertools.pairwise(BLOCKS)
    if template.startswith("id:")
]


@pytest.mark.parametrize(
    ("template", "cases"), PAIRS, ids=[template.split()[1] for template, _ in PAIRS]
)
def test_template_does_what_is_said_of_it(template: str, cases: str, tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(template)
    (tmp_path / "template.test.yaml").write_text(cases)

    found = {
        outcome.case.name: [fault.message for fault in outcome.faults]
        for outcome in read_suite(path).run()
    }

    assert found
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_every_kind_of_step_is_shown() -> None:
    shown = "".join(template for template, _ in PAIRS)

    assert [kind for kind in grammar.KINDS if f"{kind}:" not in shown] == []
