"""Fixes of MiniStack 1.5.33: what a function's role allows."""

from __future__ import annotations

import json
from typing import Any

from ministack.core import iam_actions

TOKEN_ACTIONS = {"SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"}


def tokens_belong_to_their_machine() -> None:
    """Defect: answering a token asks for a right to everything; on AWS, to its state machine."""
    extract = iam_actions.extract_resource_arn

    def extract_resource_arn(
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: Any,
        region: str,
        account_id: str,
    ) -> Any:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if service == "states" and action in TOKEN_ACTIONS:
            # See tasks.new_token.
            machine = str(json.loads(body).get("taskToken")).rpartition(".")[0]
            return f"arn:aws:states:{region}:{account_id}:stateMachine:{machine}"
        return extract(service, method, path, headers, body, query_params, region, account_id)

    iam_actions.extract_resource_arn = extract_resource_arn


FIXES = (tokens_belong_to_their_machine,)
