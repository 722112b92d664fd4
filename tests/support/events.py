"""The events that AWS gives the functions, as AWS builds them."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

ACCOUNT = "123456789012"
REGION = "us-east-1"
API = "/v1/opscore"


@dataclass
class Context:
    """A Lambda context with that much time left."""

    remaining_ms: int = 60_000
    function_name: str = "opscore-test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:opscore-test"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


def http(
    method: str,
    path: str,
    body: Any = None,
    *,
    route: str | None = None,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    encoded: bool = False,
) -> dict[str, Any]:
    """An HTTP API request, payload format 2.0.

    `route`: the template's path, where `path` has values for its `{names}`. `body`: text as it is,
    anything else as JSON; `encoded`: in base64, as API Gateway sends what is not text.
    """
    route = route or path
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    if encoded and text is not None:
        text = base64.b64encode(text.encode()).decode()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {route}",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": {"content-type": "application/json"}
        | {name.lower(): value for name, value in (headers or {}).items()},
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "api",
            "domainName": f"api.execute-api.{REGION}.amazonaws.com",
            "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
            "requestId": str(uuid.uuid4()),
            "routeKey": f"{method} {route}",
            "stage": "$default",
            "timeEpoch": 0,
        },
        "pathParameters": _parameters(route, path),
        "isBase64Encoded": encoded,
    }
    if query:
        event["queryStringParameters"] = dict(query)
    if text is not None:
        event["body"] = text
    return event


def _parameters(route: str, path: str) -> dict[str, str]:
    pairs = zip(route.split("/"), path.split("/"), strict=True)
    return {name[1:-1]: value for name, value in pairs if name.startswith("{")}


def report(
    agent_id: str,
    state: str,
    details: Mapping[str, Any] | None = None,
    timestamp: str = "now",
) -> dict[str, Any]:
    """An agent's report of its state, as the AgentKit SDK sends it."""
    body = {"agentId": agent_id, "timestamp": timestamp, "state": state, "details": details or {}}
    return http(
        "POST", f"{API}/agent/{agent_id}/state", body, route=f"{API}/agent/{{agentId}}/state"
    )


def state(agent_id: str) -> dict[str, Any]:
    """A look at an agent's state."""
    return http("GET", f"{API}/agent/{agent_id}/state", route=f"{API}/agent/{{agentId}}/state")


def registration(agent_id: str, *capabilities: str, **more: Any) -> dict[str, Any]:
    """An agent's direct registration."""
    body = {"contactEndpoint": f"http://{agent_id}.test/run", "capabilities": capabilities} | more
    return http("PUT", f"{API}/agent/{agent_id}", body, route=f"{API}/agent/{{agentId}}")


def deregistration(agent_id: str) -> dict[str, Any]:
    """The end of an agent's registration."""
    return http("DELETE", f"{API}/agent/{agent_id}", route=f"{API}/agent/{{agentId}}")


def quarantine(**about: str) -> dict[str, Any]:
    """A quarantine of an agentId, a capability or a version."""
    return http("POST", f"{API}/quarantines", {"reason": "it lies"} | about)


def workflow(template: Mapping[str, Any]) -> dict[str, Any]:
    """The upload of a workflow template."""
    path = f"{API}/workflow/{template['id']}"
    return http("PUT", path, template, route=f"{API}/workflow/{{workflowId}}")


def session_move(session_id: str, move: str) -> dict[str, Any]:
    """What a person does to a session: `cancel`, `pause` or `resume`."""
    path = f"{API}/session/{session_id}/{move}"
    return http("POST", path, route=f"{API}/session/{{sessionId}}/{move}")


def rerun(
    session_id: str,
    body: Mapping[str, Any] | None = None,
    *,
    idempotency_key: str | None = None,
) -> dict[str, Any]:
    """An ended session shall run again."""
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    path = f"{API}/session/{session_id}/rerun"
    return http("POST", path, body, route=f"{API}/session/{{sessionId}}/rerun", headers=headers)


def policy(
    method: str, kind: str, name: str, body: Mapping[str, Any] | None = None, *, move: str = ""
) -> dict[str, Any]:
    """What a person does to a policy; `move`: `pause` or `resume`."""
    path = f"{API}/policy/{kind}" + (f"/{move}" if move else "")
    route = path.replace(f"/{kind}", "/{kind}", 1)
    return http(method, path, body, route=route, query={"name": name})


def replay(letter_id: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A dead letter shall be replayed."""
    path = f"{API}/dead-letter/{letter_id}/replay"
    return http("POST", path, body, route=f"{API}/dead-letter/{{deadLetterId}}/replay")


def trigger(
    workflow: str | Mapping[str, Any],
    payload: Mapping[str, Any] | None = None,
    *,
    agent_id: str | None = None,
    idempotency_key: str | None = None,
) -> dict[str, Any]:
    """The start of a session: of a workflow by id, or of a definition; for an agent or for none."""
    name = "workflowDefinitionId" if isinstance(workflow, str) else "workflowDefinition"
    body = {name: workflow, "initialPayload": payload or {}}
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    if agent_id is None:
        return http("POST", f"{API}/sessions", body, headers=headers)
    return http(
        "POST",
        f"{API}/agent/{agent_id}/workflow",
        body,
        route=f"{API}/agent/{{agentId}}/workflow",
        headers=headers,
    )


def signal(session_id: str, name: str, payload: Any, signal_id: str) -> dict[str, Any]:
    """A signal for a session."""
    body = {"name": name, "payload": payload, "signalId": signal_id}
    path = f"{API}/session/{session_id}/signal"
    return http("POST", path, body, route=f"{API}/session/{{sessionId}}/signal")


def approvals(**query: str) -> dict[str, Any]:
    """A look at the approvals that wait."""
    return http("GET", f"{API}/approvals", query=query)


def approval_word(
    task_id: str, word: str, body: Mapping[str, Any] | None = None, *, key: str | None = None
) -> dict[str, Any]:
    """A person's word on an approval, `approve` or `reject`, with a key of that name."""
    path = f"{API}/approval/{task_id}/{word}"
    event = http("POST", path, body, route=f"{API}/approval/{{taskId}}/{word}")
    if key is not None:
        event["requestContext"]["authorizer"] = {"lambda": {"name": key}}
    return event


def own_word(reference: str, word: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An agent's own word on its task: `complete`, `fail` or `heartbeat`."""
    return http(
        "POST",
        f"{API}/task/{reference}/{word}",
        body or {},
        route=f"{API}/task/{{taskId}}/{word}",
    )


def sqs(messages: Iterable[Mapping[str, Any]], queue_arn: str = "") -> dict[str, Any]:
    """A batch from a queue: messages as ReceiveMessage gives them, with all attributes."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {
                    "ApproximateReceiveCount": message["Attributes"]["ApproximateReceiveCount"],
                    "SentTimestamp": message["Attributes"]["SentTimestamp"],
                },
                "messageAttributes": {},
                "md5OfBody": message.get("MD5OfBody", ""),
                "eventSource": "aws:sqs",
                "eventSourceARN": queue_arn,
                "awsRegion": REGION,
            }
            for message in messages
        ]
    }


def message(
    body: str | Mapping[str, Any], *, receives: int = 1, sent_at: int = 0
) -> dict[str, Any]:
    """A message as ReceiveMessage gives it, which was in no queue. `sent_at`: ms."""
    return {
        "MessageId": str(uuid.uuid4()),
        "ReceiptHandle": "receipt",
        "Body": body if isinstance(body, str) else json.dumps(body),
        "Attributes": {"ApproximateReceiveCount": str(receives), "SentTimestamp": str(sent_at)},
    }


def execution_status(machine_arn: str, name: str, status: str, **detail: Any) -> dict[str, Any]:
    """EventBridge's *Step Functions Execution Status Change*."""
    arn = machine_arn.replace(":stateMachine:", ":execution:") + f":{name}"
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": ACCOUNT,
        "region": REGION,
        "resources": [arn],
        "detail": {
            "executionArn": arn,
            "stateMachineArn": machine_arn,
            "name": name,
            "status": status,
        }
        | detail,
    }


def schedule() -> dict[str, Any]:
    """What EventBridge Scheduler sends every minute."""
    return {}


def authorization(key: str, route: str) -> dict[str, Any]:
    """What API Gateway asks the authorizer (payload format 2.0)."""
    event = http(*route.split(" ", 1), headers={"Authorization": f"Bearer {key}"})
    return event | {"type": "REQUEST", "identitySource": [f"Bearer {key}", route]}
