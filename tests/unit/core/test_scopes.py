"""What an API key of each scope may do."""

from __future__ import annotations

import pytest

from opscore.scopes import Scope, allows, required

P = "/v1/opscore"


@pytest.mark.parametrize(
    "route",
    [
        f"POST {P}/agent/{{agentId}}/state",
        f"GET {P}/agent/{{agentId}}/state",
        f"GET {P}/task/{{taskId}}",
        f"POST {P}/task/{{taskId}}/complete",
        f"POST {P}/task/{{taskId}}/fail",
        f"POST {P}/task/{{taskId}}/heartbeat",
    ],
)
def test_every_scope_may_do_what_agents_do(route: str) -> None:
    assert required(route) is Scope.AGENT
    assert all(allows(scope, route) for scope in Scope)


@pytest.mark.parametrize(
    "route",
    [
        f"POST {P}/sessions",
        f"PUT {P}/workflow/{{workflowId}}",
        f"PUT {P}/agent/{{agentId}}",
        f"GET {P}/dead-letters",
        f"POST {P}/task",
        "GET /a/route/nobody/knows/yet",
    ],
)
def test_everything_else_is_closed_to_agents(route: str) -> None:
    assert not allows("agent", route)
    assert allows("operator", route)
    assert allows("admin", route)


def test_only_an_admin_removes_agents() -> None:
    route = f"DELETE {P}/agent/{{agentId}}"

    assert [allows(scope, route) for scope in Scope] == [False, False, True]


@pytest.mark.parametrize("scope", ["", "root", "Agent", "ADMIN", "agent "])
def test_an_unknown_scope_may_do_nothing(scope: str) -> None:
    assert not allows(scope, f"POST {P}/agent/{{agentId}}/state")
