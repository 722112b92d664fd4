"""Whatever is wrong with a request: 4xx with a JSON object, never 500, and nothing changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.api import Api
from tests.e2e.bad_requests import ALL, KIB, Bad
from tests.e2e.known import Known, at_rest, changed, everything


@dataclass(frozen=True)
class Swept:
    """Every bad request's answer, and the items that are others than before."""

    answers: dict[str, Any]
    changed: set[str]


@pytest.fixture(scope="module")
def swept(known: Known, api: Api, aws: Any) -> Swept:
    before = at_rest(aws, api, known)
    answers = {bad.name: send(bad, known, api) for bad in ALL}
    return Swept(answers, changed(before, everything(aws)))


def send(bad: Bad, known: Known, api: Api) -> Any:
    content = bad.content
    for name, value in (("{agent}", known.agent.agent_id), ("{workflow}", known.workflow["id"])):
        content = content.replace(name.encode(), value.encode())
    headers = {"Content-Type": "application/json", **bad.headers}
    return api.call(bad.method, known.fill(bad.at), data=content, headers=headers)


@pytest.mark.parametrize("bad", ALL, ids=lambda bad: bad.name[:80])
def test_wrong_request_is_4xx_with_detail_and_code(bad: Bad, swept: Swept) -> None:
    answer = swept.answers[bad.name]

    assert answer.status_code == bad.status, answer.text
    shown = answer.json()
    assert shown["detail"]
    assert isinstance(shown["code"], str)
    assert len(answer.content) < 32 * KIB


def test_wrong_requests_have_changed_nothing(swept: Swept) -> None:
    assert swept.changed == set()
