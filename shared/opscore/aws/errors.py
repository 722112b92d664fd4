"""AWS's errors as ours, in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from opscore.errors import DependencyFailed


def code_of(error: ClientError) -> str:
    """AWS's code of the error."""
    return error.response.get("Error", {}).get("Code", "")


@contextmanager
def answered(service: str) -> Iterator[None]:
    """What the block does not handle of AWS's errors becomes DependencyFailed.

    The message names the service and AWS's code, never what was sent.
    """
    try:
        yield
    except ClientError as error:
        raise DependencyFailed(f"{service} answered {code_of(error)}; try again") from error
    except BotoCoreError as error:
        raise DependencyFailed(f"{service} did not answer; try again") from error
