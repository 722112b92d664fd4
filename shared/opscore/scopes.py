"""What an API key may do: each route's scope, and which scope includes which."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """Admin includes operator, operator includes agent."""

    AGENT = "agent"
    OPERATOR = "operator"
    ADMIN = "admin"


_RANK = {Scope.AGENT: 0, Scope.OPERATOR: 1, Scope.ADMIN: 2}

_AGENT_ROUTES = frozenset(
    {
        "POST /v1/opscore/agent/{agentId}/state",
        "GET /v1/opscore/agent/{agentId}/state",
        "GET /v1/opscore/agent/{agentId}",
        "GET /v1/opscore/task/{taskId}",
        "POST /v1/opscore/task/{taskId}/complete",
        "POST /v1/opscore/task/{taskId}/fail",
        "POST /v1/opscore/task/{taskId}/heartbeat",
    }
)

_ADMIN_ROUTES = frozenset(
    {"DELETE /v1/opscore/agent/{agentId}", "DELETE /v1/opscore/workflow/{workflowId}"}
)


def required(route_key: str) -> Scope:
    """The scope that a route (`METHOD /path/{parameter}`) asks for. One that is not listed asks for
    the operator's, so that a new route is closed to agents until somebody opens it.
    """
    if route_key in _AGENT_ROUTES:
        return Scope.AGENT
    if route_key in _ADMIN_ROUTES:
        return Scope.ADMIN
    return Scope.OPERATOR


def allows(held: str, route_key: str) -> bool:
    """Whether a key of that scope may use the route; an unknown scope may use none."""
    return held in _RANK and _RANK[Scope(held)] >= _RANK[required(route_key)]
