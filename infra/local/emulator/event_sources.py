"""Fixes of MiniStack 1.5.33: the pollers between queues and functions."""

# ruff: noqa: SLF001  (a fix reaches into what it mends)
from __future__ import annotations

from typing import Any

from ministack.services import lambda_svc

JsonObject = dict[str, Any]


def maximum_concurrency_is_a_number() -> None:
    """Defect: MaximumConcurrency from a parameter stays text, and no queue is polled."""
    concurrency = lambda_svc._sqs_esm_concurrency

    def sqs_concurrency(
        esm: JsonObject, function: Any, config: Any, queue: JsonObject | None = None
    ) -> Any:
        scaling = esm.get("ScalingConfig") or {}
        if isinstance(scaling.get("MaximumConcurrency"), str):
            number = int(scaling["MaximumConcurrency"])
            esm = {**esm, "ScalingConfig": {**scaling, "MaximumConcurrency": number}}
        return concurrency(esm, function, config, queue)

    lambda_svc._sqs_esm_concurrency = sqs_concurrency


FIXES = (maximum_concurrency_is_a_number,)
