"""Secrets of the deployment, cached for a while so that a rotation gets through."""

from __future__ import annotations

from opscore.errors import DependencyFailed

CACHE_SECONDS = 300


def secret(secret_id: str) -> str:
    """The secret's text. Raises DependencyFailed."""
    from aws_lambda_powertools.utilities.parameters import GetParameterError, get_secret

    try:
        return str(get_secret(secret_id, max_age=CACHE_SECONDS))
    except GetParameterError as error:
        raise DependencyFailed("Secrets Manager did not answer; try again") from error
