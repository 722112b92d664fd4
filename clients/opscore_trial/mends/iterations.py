"""Mends of moto: Parallel and Map."""

from __future__ import annotations

from typing import Any

from moto.stepfunctions.parser.asl.eval.environment import Environment

from opscore_trial.patching import Patches


def inner_states_see_their_item(patches: Patches) -> None:
    """Defect: `$states.context.Map` is not there in the states of an iteration."""
    before = Environment.as_inner_frame_of.__func__  # type: ignore[attr-defined]  # a classmethod

    def as_inner_frame_of(cls: Any, env: Any, *args: Any, **named: Any) -> Any:
        frame = before(cls, env, *args, **named)
        outer = env.states.context_object.context_object_data
        if "Map" in outer:
            frame.states.context_object.context_object_data["Map"] = outer["Map"]
        return frame

    patches.set(Environment, "as_inner_frame_of", classmethod(as_inner_frame_of))


MENDS = (inner_states_see_their_item,)
