"""Sessions: started, looked at, moved by people."""

from __future__ import annotations

from functions.session_api.routes import add_routes
from opscore.http.app import http_handler

handler = http_handler(add_routes)
