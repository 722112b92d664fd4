"""Agents: what they say, who they are; AgentKit's webhook; `/health`."""

from __future__ import annotations

from functions.state_api.routes import add_routes
from opscore.http.app import http_handler

handler = http_handler(add_routes)
