"""A small synchronous Python client for Ops-Core's HTTP API."""

from opscore_client.client import OpsCoreClient
from opscore_client.errors import (
    AnswerError,
    ApiError,
    ConflictError,
    InvalidRequestError,
    NotAllowedError,
    NotFoundError,
    OpsCoreError,
    ServerError,
    StillRunningError,
    ThrottledError,
    UnreachableError,
)
from opscore_client.http import Backoff, Timeouts
from opscore_client.listing import Listing, Page
from opscore_client.sessions import FINAL

__all__ = [
    "FINAL",
    "AnswerError",
    "ApiError",
    "Backoff",
    "ConflictError",
    "InvalidRequestError",
    "Listing",
    "NotAllowedError",
    "NotFoundError",
    "OpsCoreClient",
    "OpsCoreError",
    "Page",
    "ServerError",
    "StillRunningError",
    "ThrottledError",
    "Timeouts",
    "UnreachableError",
]
