"""A deployed function with another setting for a while, as a parameter of the template sets it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def setting(aws: Any, function: str, name: str, value: str) -> Iterator[None]:
    """Within it the function of that output has this value in its environment."""
    function_name = aws.outputs[function]

    def change(to: str) -> str:
        configuration = aws.functions.get_function_configuration(FunctionName=function_name)
        variables = configuration["Environment"]["Variables"]
        aws.functions.update_function_configuration(
            FunctionName=function_name, Environment={"Variables": {**variables, name: to}}
        )
        return str(variables[name])

    before = change(value)
    try:
        yield
    finally:
        change(before)
