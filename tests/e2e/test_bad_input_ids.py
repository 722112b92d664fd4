"""Ids that are no ids (empty, huge, with separators, badly encoded) find and change nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.api import PREFIX, Api
from tests.e2e.gateway import Webhook
from tests.e2e.known import Known, at_rest, changed, everything

ODD_IDS = {
    "empty": "",
    "huge": "x" * 129,
    "beyond all": "x" * 6000,
    "slash": "a%2Fb",
    "two slashes": "a%2F%2Fb",
    "dots": "..",
    "encoded dots": "%2e%2e",
    "encoded dots and slash": "..%2f..%2fhealth",
    "hash": "a%23b",
    "question mark": "a%3Fb",
    "white space": "a%20b",
    "plus": "%20",
    "line feed": "a%0Ab",
    "carriage return and header": "a%0D%0AX-Evil:%201",
    "NUL": "a%00b",
    "bad UTF-8": "%ff%fe",
    "half a surrogate pair": "%ed%a0%80",
    "half an escape": "a%",
    "no hex": "a%zz",
    "encoded twice": "a%252Fb",
    "backslash": "a%5Cb",
    "quote": "a%22b",
    "emoji": "%F0%9F%98%80",
    "delete character": "a%7Fb",
    "semicolon": "a;b=c",
}
ROUTES = [
    "GET agent/{}",
    "GET agent/{}/state",
    "GET agent/{}/state/history",
    "DELETE agent/{}",
    "GET session/{}",
    "GET session/{}/tasks",
    "POST session/{}/cancel",
    "GET task/{}",
    "POST task/{}/heartbeat",
    "POST session/{}/rerun",
    "GET dead-letter/{}",
    "GET dead-letter/{}/compare/x",
    "POST dead-letter/{}/replay",
    "GET workflow/{}",
    "GET workflow/{}/versions",
]


@dataclass(frozen=True)
class Swept:
    """The answers for each odd id, by route, and the items that are others than before."""

    answers: dict[str, dict[str, tuple[int, bytes]]]
    changed: set[str]


@pytest.fixture(scope="module")
def swept(known: Known, api: Api, aws: Any) -> Swept:
    before = at_rest(aws, api, known)
    answers = {
        name: {route: ask(api, route, odd) for route in ROUTES} for name, odd in ODD_IDS.items()
    }
    return Swept(answers, changed(before, everything(aws)))


def ask(api: Api, route: str, odd: str) -> tuple[int, bytes]:
    method, path = route.split(" ")
    return api.raw(method, PREFIX + path.format(odd))


@pytest.mark.parametrize("name", ODD_IDS)
def test_odd_id_in_a_path_is_4xx(name: str, swept: Swept) -> None:
    for route, (status, body) in swept.answers[name].items():
        assert 400 <= status < 500, (route, status, body)
        assert isinstance(json.loads(body), dict), (route, body)


def test_odd_ids_have_found_and_changed_nothing(swept: Swept) -> None:
    assert swept.changed == set()


@pytest.mark.parametrize("name", ["huge", "white space", "NUL", "hash", "line feed"])
def test_agent_of_an_odd_id_can_t_be_registered(name: str, api: Api) -> None:
    body = json.dumps({"contactEndpoint": "http://odd.local/run"}).encode()

    status, answer = api.raw("PUT", f"{PREFIX}agent/{ODD_IDS[name]}", body=body)

    assert status in {404, 422}
    assert json.loads(answer)["code"] in {"malformed", "route_not_found"}
    assert not listed_at(api, "http://odd.local/run")


@pytest.mark.parametrize("agent_id", ["a/b", "a b", "a\0b", "a\nb", "a#b", "x" * 129, "a?b"])
def test_webhook_s_odd_ids_are_422(agent_id: str, webhook: Webhook, api: Api) -> None:
    answer = webhook.register(agent_id, contactEndpoint="http://odder.local/run")

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed")
    assert not listed_at(api, "http://odder.local/run")


def listed_at(api: Api, endpoint: str) -> list[str]:
    """The agents with that endpoint."""
    agents = [agent for page in api.pages("agents", limit=200) for agent in page]
    return [agent["agentId"] for agent in agents if agent["contactEndpoint"] == endpoint]
