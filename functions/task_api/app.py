"""Single tasks, agents' own word on their tasks, dead letters."""

from __future__ import annotations

from functions.task_api.routes import add_routes
from opscore.http.app import http_handler

handler = http_handler(add_routes)
