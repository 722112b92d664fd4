"""Single tasks, agents' own word on their tasks, approvals, dead letters."""

from __future__ import annotations

from functions.task_api import approval_routes, routes
from opscore.http.app import Resolver, http_handler


def _add_routes(app: Resolver) -> None:
    routes.add_routes(app)
    approval_routes.add_routes(app)


handler = http_handler(_add_routes)
