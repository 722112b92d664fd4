"""Whatever is wrong with a request: 4xx with a JSON object, never 500, and nothing changed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.agents import Agent, Fleet, fresh
from tests.e2e.api import PREFIX, Api, JsonObject, step, workflow
from tests.e2e.gateway import Webhook, event

KIB = 1024
FAR = (datetime.now(UTC) + timedelta(days=365)).isoformat()


@dataclass(frozen=True)
class Known:
    """What is there, and must stay as it is."""

    agent: Agent
    task: str
    session: str
    workflow: JsonObject

    def fill(self, path: str) -> str:
        """A path with the ids that exist."""
        return path.format(
            agent=self.agent.agent_id,
            task=self.task,
            session=self.session,
            workflow=self.workflow["id"],
        )


@pytest.fixture(scope="module")
def known(stack: Any, api: Api, keys: dict[str, str]) -> Iterator[Known]:
    """An agent with a running task of a session of a workflow."""
    fleet = Fleet(api, keys["agent"], stack)
    agent = fleet.add("known")
    definition = workflow(step(timeout="10m"))
    api.put(f"workflow/{definition['id']}", definition)
    session = api.start(definition["id"], {"in": 1}, agent.agent_id)
    run = agent.next_run()
    agent.report("active", {"opscore_task_id": run.reference})
    api.attempt(session, "RUNNING")
    yield Known(agent, run.reference, session, definition)
    api.post(f"session/{session}/cancel")
    fleet.close()


def everything(aws: Any) -> dict[str, JsonObject]:
    """Every item of the tables, but early reports: those are for agents that are yet to come."""
    tables = [aws.outputs[f"{name}TableName"] for name in ("Agents", "Work", "Workflows")]
    found = {}
    for table in tables:
        for page in aws.dynamodb.get_paginator("scan").paginate(TableName=table):
            for item in page["Items"]:
                name = f"{table} {item['pk']['S']} {item['sk']['S']}"
                if "early" not in name:
                    found[name] = item
    return found


@dataclass(frozen=True)
class Bad:
    """A request with something wrong. `at` is a path with the ids that exist filled in; a text or
    bytes as body go as they are.
    """

    name: str
    method: str
    at: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 422

    @property
    def content(self) -> bytes:
        match self.body:
            case None:
                return b""
            case bytes():
                return self.body
            case str():
                return self.body.encode()
            case _:
                return json.dumps(self.body).encode()


def report(**fields: Any) -> JsonObject:
    """A report of the known agent; its id is filled in when it is sent."""
    return {"agentId": "{agent}", "timestamp": "2026-01-01T00:00:00Z", "state": "idle", **fields}


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def forged(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


BODIES = {
    "no body": b"",
    "broken JSON": b'{"a": ',
    "bad UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "number beyond all floats": b'{"a": 1e999}',
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "deep nesting": nested(100_000).encode(),
    "nesting just too deep": b'{"a": ' + nested(70).encode() + b"}",
    "a number of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "a list": b"[]",
    "a text": b'"text"',
    "null": b"null",
    "XML": b"<a/>",
    "a form": b"a=1&b=2",
}
WRITES = {
    "report": ("POST", "agent/{agent}/state"),
    "register": ("PUT", "agent/{agent}"),
    "trigger": ("POST", "agent/{agent}/workflow"),
    "start": ("POST", "sessions"),
    "update": ("PATCH", "session/{session}"),
    "single task": ("POST", "task"),
}
WORDS = {f"{word} a task": ("POST", f"task/{{task}}/{word}") for word in ("complete", "fail")}

# As JSON the local gateway would put such bytes right, by replacing them.
BINARY = {"Content-Type": "application/octet-stream"}

BAD_BODIES = [
    Bad(f"{route}: {what}", method, at, body, BINARY if b"\xff" in body else {})
    for route, (method, at) in {**WRITES, **WORDS}.items()
    for what, body in BODIES.items()
    # No body at all is a way of saying "done", or "failed".
    if not (route in WORDS and body == b"")
]

TOO_LARGE = [
    Bad(f"{route}: body over the limit", method, at, {"a": "x" * 300 * KIB}, status=413)
    for route, (method, at) in {
        **WRITES,
        **WORDS,
        "put": ("PUT", "workflow/{workflow}"),
        "validate": ("POST", "workflows/validate"),
    }.items()
] + [
    Bad(
        "report: details over the limit",
        "POST",
        "agent/{agent}/state",
        report(details={"a": "x" * 70 * KIB}),
        status=413,
    ),
    Bad(
        "register: metadata over the limit",
        "PUT",
        "agent/{agent}",
        {"contactEndpoint": "http://x.local/run", "metadata": {"a": "é" * 40 * KIB}},
        status=413,
    ),
    Bad(
        "trigger: payload over the limit",
        "POST",
        "agent/{agent}/workflow",
        {"workflowDefinitionId": "{workflow}", "initialPayload": {"a": "x" * 70 * KIB}},
        status=413,
    ),
    Bad(
        "task: parameters over the limit",
        "POST",
        "task",
        {"agentId": "{agent}", "parameters": {"a": "x" * 70 * KIB}},
        status=413,
    ),
    Bad(
        "complete: result over the limit",
        "POST",
        "task/{task}/complete",
        {"result": "x" * 70 * KIB},
        status=413,
    ),
    Bad(
        "update: metadata over the limit",
        "PATCH",
        "session/{session}",
        {"metadata": {"a": "x" * 70 * KIB}},
        status=413,
    ),
]

WRONG_FIELDS = [
    Bad("report: far future", "POST", "agent/{agent}/state", report(timestamp=FAR)),
    Bad("report: year 9999", "POST", "agent/{agent}/state",
        report(timestamp="9999-12-31T23:59:59+00:00")),
    Bad("report: year 9999 west of here", "POST", "agent/{agent}/state",
        report(timestamp="9999-12-31T23:59:59-23:59")),
    Bad("report: empty state", "POST", "agent/{agent}/state", report(state="")),
    Bad("report: endless state", "POST", "agent/{agent}/state", report(state="x" * 65)),
    Bad("report: endless timestamp", "POST", "agent/{agent}/state", report(timestamp="2" * 65)),
    Bad("report: empty id in the body", "POST", "agent/{agent}/state", report(agentId="")),
    Bad("report: another's id", "POST", "agent/{agent}/state", report(agentId="a"), status=400),
    Bad("register: no endpoint", "PUT", "agent/{agent}", {}),
    Bad("register: endpoint without a host", "PUT", "agent/{agent}", {"contactEndpoint": "http://"}),
    Bad("register: endpoint of another scheme", "PUT", "agent/{agent}",
        {"contactEndpoint": "file:///etc/passwd"}),
    Bad("register: endpoint with white space", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x local/run"}),
    Bad("register: no slots", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x.local/", "maxConcurrency": 0}),
    Bad("register: endless slots", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x.local/", "maxConcurrency": 10**9}),
    Bad("register: unknown transport", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x.local/", "transport": "pigeon"}),
    Bad("register: too many capabilities", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x.local/", "capabilities": [str(n) for n in range(51)]}),
    Bad("register: empty capability", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x.local/", "capabilities": [""]}),
    Bad("register: capability with a separator of ours", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x.local/", "capabilities": ["a#b"]}),
    Bad("register: capability with NUL", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x.local/", "capabilities": ["a\0b"]}),
    Bad("trigger: id with a separator", "POST", "sessions", {"workflowDefinitionId": "a/b"}),
    Bad("trigger: id with NUL", "POST", "sessions", {"workflowDefinitionId": "a\0"}),
    Bad("trigger: huge id", "POST", "sessions", {"workflowDefinitionId": "x" * 129}),
    Bad("trigger: empty id", "POST", "sessions", {"workflowDefinitionId": ""}),
    Bad("trigger: id of another type", "POST", "sessions", {"workflowDefinitionId": ["a"]}),
    Bad("trigger: payload of another type", "POST", "sessions",
        {"workflowDefinitionId": "{workflow}", "initialPayload": [1]}),
    Bad("trigger: definition of another type", "POST", "sessions", {"workflowDefinition": "id: a"}),
    Bad("trigger: definition of nothing", "POST", "sessions", {"workflowDefinition": {}}),
    Bad("trigger: tasks of another type", "POST", "sessions",
        {"workflowDefinition": {"id": "a", "name": "a", "tasks": {"a": 1}}}),
    Bad("trigger: endless idempotency key", "POST", "sessions",
        {"workflowDefinitionId": "{workflow}"}, {"Idempotency-Key": "k" * 256}),
    Bad("trigger: empty idempotency key", "POST", "sessions",
        {"workflowDefinitionId": "{workflow}"}, {"Idempotency-Key": ""}),
    Bad("update: nothing", "PATCH", "session/{session}", {}),
    Bad("update: misspelt field", "PATCH", "session/{session}", {"stauts": "paused"}),
    Bad("update: unknown status", "PATCH", "session/{session}", {"status": "asleep"}),
    Bad("update: field that is not for people", "PATCH", "session/{session}", {"result": 1}),
    Bad("update: empty name in metadata", "PATCH", "session/{session}", {"metadata": {"": 1}}),
    Bad("update: move that nobody may make", "PATCH", "session/{session}",
        {"status": "completed"}, status=409),
    Bad("task: neither agent nor capability", "POST", "task", {}),
    Bad("task: both", "POST", "task", {"agentId": "{agent}", "agentCapability": "known"}),
    Bad("task: misspelt field", "POST", "task", {"agentId": "{agent}", "timeuot": 5}),
    Bad("task: negative timeout", "POST", "task", {"agentId": "{agent}", "timeout": -1}),
    Bad("task: endless timeout", "POST", "task", {"agentId": "{agent}", "timeout": 10**12}),
    Bad("task: timeout of another type", "POST", "task", {"agentId": "{agent}", "timeout": "5s"}),
    Bad("task: priority out of range", "POST", "task", {"agentId": "{agent}", "priority": 10}),
    Bad("task: too many retries", "POST", "task", {"agentId": "{agent}", "maxRetries": 21}),
    Bad("fail: code of Step Functions' own", "POST", "task/{task}/fail",
        {"errorCode": "States.ALL"}),
    Bad("fail: code with a space", "POST", "task/{task}/fail", {"errorCode": "no way"}),
    Bad("fail: endless message", "POST", "task/{task}/fail", {"message": "x" * 4097}),
    Bad("complete: agent's id of another type", "POST", "task/{task}/complete", {"agentId": 1}),
    Bad("heartbeat: of another agent", "POST", "task/{task}/heartbeat", {"agentId": "a"},
        status=409),
    Bad("put: another id than the path's", "PUT", "workflow/another-id",
        workflow(step())),
    Bad("put: no template", "PUT", "workflow/{workflow}", b""),
    Bad("put: no YAML", "PUT", "workflow/{workflow}", b"a: [", {"Content-Type": "text/yaml"}),
    Bad("put: bad UTF-8", "PUT", "workflow/{workflow}", b"id: \xff\xfe\x00"),
    Bad("put: YAML that builds objects", "PUT", "workflow/{workflow}",
        b"!!python/object/apply:os.system ['true']", {"Content-Type": "text/yaml"}),
    Bad("put: deep nesting", "PUT", "workflow/{workflow}", nested(20_000)),
    Bad("put: aliases that multiply", "PUT", "workflow/{workflow}",
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\n"
        "d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e]\n",
        {"Content-Type": "text/yaml"}),
]  # fmt: skip

QUERIES = [
    Bad(f"{path}?{query}", "GET", f"{path}?{query}", status=status)
    for path in (
        "agents",
        "sessions",
        "workflows",
        "dead-letters",
        "agent/{agent}/state/history",
        "workflow/{workflow}/versions",
    )
    for query, status in {
        "limit=0": 422,
        "limit=-1": 422,
        "limit=201": 422,
        "limit=many": 422,
        "limit=1e3": 422,
        "limit=": 422,
        f"limit={'9' * 5000}": 422,
        "cursor=": 400,
        "cursor=nonsense": 400,
        "cursor=%00": 400,
        "cursor=%C3%A9": 400,
        f"cursor={'A' * 5000}": 422,
        f"cursor={quote(forged(0, None, 'f' * 16))}": 400,
        f"cursor={quote(forged(0, {'pk': 'agent#a', 'sk': 'agent'}, 'f' * 16))}": 400,
        f"cursor={quote(forged(-1, {}, ''))}": 400,
        f"cursor={quote(base64.urlsafe_b64encode(b'5').decode())}": 400,
        f"cursor={quote(base64.urlsafe_b64encode(b'[' * 3000).decode())}": 400,
    }.items()
] + [
    Bad("sessions of no status", "GET", "sessions?status=asleep"),
    Bad("sessions of an empty status", "GET", "sessions?status="),
    Bad("sessions of a workflow with a separator", "GET", "sessions?workflowId=a%2Fb"),
    Bad("agents of an empty state", "GET", "agents?state="),
    Bad("agents of an endless state", "GET", f"agents?state={'x' * 65}"),
    Bad("agents of a capability with our separator", "GET", "agents?capability=a%23b"),
    Bad("no version", "GET", "workflow/{workflow}?version=0"),
    Bad("version of another type", "GET", "workflow/{workflow}?version=latest"),
    Bad("version that is not there", "GET", "workflow/{workflow}?version=99", status=404),
    Bad("version beyond all", "GET", f"workflow/{{workflow}}?version={'9' * 100}", status=404),
]

ALL = [*BAD_BODIES, *TOO_LARGE, *WRONG_FIELDS, *QUERIES]


@dataclass(frozen=True)
class Swept:
    """Every bad request's answer, and the items that are others than before."""

    answers: dict[str, Any]
    changed: set[str]


@pytest.fixture(scope="module")
def swept(known: Known, api: Api, aws: Any) -> Swept:
    before = everything(aws)
    answers = {bad.name: send(bad, known, api) for bad in ALL}
    after = everything(aws)
    names = before.keys() | after.keys()
    return Swept(answers, {name for name in names if before.get(name) != after.get(name)})


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
READS = [
    "GET agent/{}",
    "GET agent/{}/state",
    "GET agent/{}/state/history",
    "DELETE agent/{}",
    "GET session/{}",
    "GET session/{}/tasks",
    "POST session/{}/cancel",
    "GET task/{}",
    "POST task/{}/heartbeat",
    "GET dead-letter/{}",
    "GET workflow/{}",
    "GET workflow/{}/versions",
]


@pytest.mark.parametrize("name", ODD_IDS)
def test_odd_id_in_a_path_is_4xx_and_finds_nothing(
    name: str, known: Known, api: Api, aws: Any
) -> None:
    before = everything(aws)
    for read in READS:
        method, path = read.split(" ")
        status, body = api.raw(method, PREFIX + path.format(ODD_IDS[name]))

        assert 400 <= status < 500, (read, status, body)
        assert isinstance(json.loads(body), dict), (read, body)
    assert everything(aws) == before


@pytest.mark.parametrize("name", ["huge", "white space", "NUL", "hash", "line feed"])
def test_agent_of_an_odd_id_can_t_be_registered(name: str, api: Api, aws: Any) -> None:
    before = everything(aws)
    body = json.dumps({"contactEndpoint": "http://x.local/run"}).encode()

    status, answer = api.raw("PUT", f"{PREFIX}agent/{ODD_IDS[name]}", body=body)

    assert status in {404, 422}
    assert json.loads(answer)["code"] in {"malformed", "route_not_found"}
    assert everything(aws) == before


@pytest.mark.parametrize("agent_id", ["a/b", "a b", "a\0b", "a\nb", "a#b", "x" * 129, "a?b"])
def test_webhook_s_odd_ids_are_422(agent_id: str, webhook: Webhook, aws: Any) -> None:
    before = everything(aws)

    answer = webhook.send(event(agent_id))

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed")
    assert everything(aws) == before


def test_webhook_s_body_over_the_limit_is_413(webhook: Webhook) -> None:
    answer = webhook.register(fresh("large"), metadata={"a": "x" * 300 * KIB})

    assert answer.status_code == 413


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/octet-stream", "multipart/form-data", "", "é", "application/json"],
)
def test_body_is_read_as_json_whatever_its_type_says(
    content_type: str, api: Api, known: Known
) -> None:
    """Binary types come encoded from API Gateway; what they hold is the same."""
    body = report(agentId=known.agent.agent_id, timestamp="2020-01-01T00:00:00Z")
    headers = {"Content-Type": content_type.encode()}

    answer = api.call(
        "POST", known.fill("agent/{agent}/state"), data=json.dumps(body), headers=headers
    )

    assert answer.status_code == 202


def test_of_duplicate_keys_the_last_counts(api: Api, known: Known) -> None:
    raw = (
        '{{"agentId": "other", "agentId": "{}", "timestamp": "2020-01-01T00:00:00Z", "state": "a"}}'
    )

    answer = api.post(known.fill("agent/{agent}/state"), data=raw.format(known.agent.agent_id))

    assert answer.status_code == 202


def test_endless_reference_in_a_report_names_nothing(api: Api, known: Known) -> None:
    """Free details are the agent's own; what looks like a task's id must not break the report."""
    for reference in ("a." + "9" * 5000, "." * 100, "a.-1", "a.٣", "a.1.2", "\0.1", "a.1e3"):
        body = report(
            agentId=known.agent.agent_id,
            timestamp="2020-01-01T00:00:00Z",
            details={"opscore_task_id": reference},
        )
        answer = api.post(known.fill("agent/{agent}/state"), body)
        assert answer.status_code == 202, (reference, answer.text)
        unknown = fresh("unknown")
        early = api.post(f"agent/{unknown}/state", {**body, "agentId": unknown})
        assert early.status_code == 404, (reference, early.text)


def test_metadata_can_t_grow_beyond_its_limit_by_small_updates(api: Api, known: Known) -> None:
    path = known.fill("session/{session}")
    first = api.patch(path, {"metadata": {"a": "x" * 60 * KIB}})
    before = api.read(path)["metadata"]

    answer = api.patch(path, {"metadata": {"b": "x" * 60 * KIB}})

    assert first.status_code == 200
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert api.read(path)["metadata"] == before
    assert api.patch(path, {"metadata": {"a": None}}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Large": "x" * 9 * KIB},
        {"Authorization": "Bearer " + "x" * 9 * KIB},
        {f"X-Many-{n}": "x" for n in range(90)},
        {"X-Endless": "x" * 70 * KIB},
    ],
    ids=["large", "large key", "many", "endless"],
)
def test_huge_headers_are_no_error_of_ours(headers: dict[str, str], api: Api) -> None:
    status, body = api.raw("GET", f"{PREFIX}agents", headers)

    assert status < 500
    assert isinstance(json.loads(body), dict)


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /v1/opscore/nothing-here",
        "GET /",
        "GET /v1/opscore/agents/",
        "PATCH /v1/opscore/agents",
        "DELETE /v1/opscore/sessions",
        "POST /health",
        "PUT /v1/opscore/internal/agent/notify",
        "GET /v1/opscore//agents",
    ],
)
def test_route_that_is_not_there_is_404_or_405(request_line: str, api: Api) -> None:
    method, target = request_line.split(" ")

    status, body = api.raw(method, target)

    assert status in {403, 404, 405}
    assert isinstance(json.loads(body), dict)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = [
    "agentId",
    "timestamp",
    "state",
    "details",
    "contactEndpoint",
    "capabilities",
    "maxConcurrency",
    "workflowDefinitionId",
    "workflowDefinition",
    "initialPayload",
    "agentCapability",
    "parameters",
    "timeout",
    "metadata",
    "status",
    "result",
    "errorCode",
]
bodies = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6)
paths = st.sampled_from([*WRITES.values(), *WORDS.values(), ("PUT", "workflow/{workflow}")])


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(route=paths, body=bodies | st.binary(max_size=40) | json_values)
def test_no_body_whatever_is_an_error_of_ours(
    route: tuple[str, str], body: Any, api: Api, aws: Any
) -> None:
    """Any object of our field names, any JSON, any bytes, on every route that takes a body."""
    method, path = route
    at = path.format(agent="anyone", task="task_any.1", session="any", workflow="any-flow")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    answer = api.call(method, at, data=content, headers={"Content-Type": "application/json"})

    assert answer.status_code < 500, (route, content, answer.text)
    assert isinstance(answer.json(), dict)
