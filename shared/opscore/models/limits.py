"""Limits on what callers may send, and the types that carry them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

MAX_BODY_BYTES = 256 * 1024
"""A whole request; far under API Gateway's 10 MB, over any payload that is taken."""

MAX_PAYLOAD_BYTES = 64 * 1024
"""One payload (input, parameters, result, details, metadata). Step Functions takes 256 KiB for a
whole state with its context, and output just under that fails in a way no Catch can see."""

MAX_CAPABILITIES = 24
"""An idle agent that exchanges all of them for others costs four items each (a place in the
directory and an idle entry, the old and the new) in one transaction; DynamoDB takes 100."""

MAX_CONCURRENCY = 50
"""Slots of one agent; its leases are kept in the agent's own item (400 KB)."""

MAX_FUTURE_SECONDS = 24 * 3600
"""A report dated further ahead would shadow every later one."""

_SEPARATORS = re.compile(r"[\s/#?\x00-\x1f\x7f]")


def _plain(text: str) -> str:
    if _SEPARATORS.search(text):
        raise ValueError("must not contain white space, control characters or any of / # ?")
    if text in (".", ".."):
        raise ValueError("must not be . or .., which paths are shortened by")
    return text


Id = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_plain)]
"""An id that callers choose; it becomes part of keys and paths."""

_NOT_IN_CAPABILITIES = re.compile(r"[#\x00-\x1f\x7f]")


def _capability(text: str) -> str:
    if _NOT_IN_CAPABILITIES.search(text):
        raise ValueError("must not contain control characters or #")
    return text


Capability = Annotated[
    str, StringConstraints(min_length=1, max_length=128), AfterValidator(_capability)
]
"""A capability's name; like an id, but white space and slashes are taken."""

SignalName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
"""What signals and the steps that wait for them meet by."""

Label = Annotated[str, Field(max_length=256)]
"""A text for people."""

Endpoint = Annotated[
    str, StringConstraints(pattern=r"^https?://[^\s/?#]+[^\s]*$", min_length=8, max_length=2048)
]
"""Where an agent takes its tasks."""

_ERROR_CODE = re.compile(r"(?!States\.)[A-Za-z][A-Za-z0-9_.-]{0,127}")


def is_error_code(text: str) -> bool:
    """Whether a template may match this error name; `States.` belongs to Step Functions."""
    return _ERROR_CODE.fullmatch(text) is not None


def _error_code(text: str) -> str:
    if not is_error_code(text):
        raise ValueError(
            "must be a letter, then up to 127 letters, digits or any of _ . -; not States.…"
        )
    return text


ErrorCode = Annotated[str, AfterValidator(_error_code)]
"""An error name that an agent gives its failure."""
