"""Workflow templates: validated, put, read."""

from __future__ import annotations

from functions.workflow_api.routes import add_routes
from opscore.http.app import http_handler

handler = http_handler(add_routes)
