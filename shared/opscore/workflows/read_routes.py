"""Reading who does a task, how often it is tried, and what happens when it fails."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from opscore.models.limits import Id, is_error_code
from opscore.workflows import grammar
from opscore.workflows.durations import MAX_SECONDS
from opscore.workflows.fields import (
    Field,
    Fields,
    attempt,
    or_expression,
    read_duration,
    read_integer,
    read_number,
    read_payload,
    read_text,
)
from opscore.workflows.findings import Code, Place
from opscore.workflows.language import (
    ALL_ERRORS,
    OWN_ERRORS,
    Fallback,
    FixedResult,
    OtherRoute,
    OtherTask,
    Payload,
    RetryRule,
    Route,
)
from opscore.workflows.nodes import Mapping, short, to_data

DEFAULT_TIMEOUT = 10 * 60
DEFAULT_WAIT_TIMEOUT = 60 * 60
_STATES_ERRORS = {
    "States.ALL": ALL_ERRORS,
    "States.Timeout": "AgentTimeout",
    "States.HeartbeatTimeout": "HeartbeatTimeout",
    "States.QueryEvaluationError": "ExpressionError",
    "States.TaskFailed": ALL_ERRORS,
}
_ids: TypeAdapter[str] = TypeAdapter(Id)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a template says once for all its agents' tasks."""

    timeout: int = DEFAULT_TIMEOUT
    wait_timeout: int = DEFAULT_WAIT_TIMEOUT
    retry: tuple[RetryRule, ...] = (RetryRule(),)


def read_id(field: Field) -> str:
    """An id as the API takes it."""
    try:
        return _ids.validate_python(read_text(field))
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        field.fail(Code.BAD_ID, f"{field.name} {_lower(reason)}")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def read_route(fields: Fields, retry: tuple[RetryRule, ...], parameters: Payload) -> Route:
    """Who is asked, with what, and how often; `retry` and `parameters` where it does not say."""
    agent = fields.get("agentId")
    capability = fields.get("agentCapability")
    if agent and capability and not (agent.is_expression or capability.is_expression):
        capability.error(Code.EXCLUSIVE_FIELDS, "agentId and agentCapability exclude each other")
    return Route(
        agent_id=fields.read("agentId", or_expression(read_id), None),
        agent_capability=fields.read("agentCapability", or_expression(read_text), None),
        parameters=fields.read("parameters", read_object, parameters),
        retry=fields.read("retry", read_retry, retry),
    )


def read_object(field: Field) -> Payload:
    """An object with expressions in it, or an expression that gives one."""
    if not isinstance(field.node, Mapping) and not field.is_expression:
        field.wrong_type("an object, or an expression")
    return read_payload(field)


def read_fallback(field: Field, route: Route | None, retry: tuple[RetryRule, ...]) -> Fallback:
    """What happens when a step has failed; `route`: whose parameters another route takes over, None
    for a step that no agent does.
    """
    fields = Fields(field, grammar.FALLBACK)
    kinds = [
        kind
        for kind, given in (
            ("another route", any(key in fields for key in grammar.WHO)),
            ("taskId", "taskId" in fields),
            ("result", fields.raw("result") is not None),
        )
        if given
    ]
    if len(kinds) != 1:
        found = f"not {' and '.join(kinds)}" if kinds else "and has none of them"
        field.fail(
            Code.EXCLUSIVE_FIELDS,
            f"a fallback is one of agentId, agentCapability, taskId and result, {found}",
        )
    if kinds != ["another route"]:
        for key in ("parameters", "retry"):
            if extra := fields.get(key):
                extra.error(Code.EXCLUSIVE_FIELDS, f"a fallback to {kinds[0]} takes no {key}")
    if target := fields.get("taskId"):
        return OtherTask(read_text(target), target.place)
    if result := fields.raw("result"):
        return FixedResult(read_payload(result))
    if route is None:
        field.fail(
            Code.EXCLUSIVE_FIELDS,
            "only an agent's task can fall back to another agent",
            "write taskId or result, and make the agent's task a step of its own",
        )
    return OtherRoute(read_route(fields, retry, route.parameters))


def read_retry(field: Field) -> tuple[RetryRule, ...]:
    """One rule, or a list of which the first that matches counts."""
    items = field.items()
    if items is None:
        return (_read_rule(field),)
    rules = tuple(_read_rule(item) for item in items)
    _check_order(items, rules)
    return rules


def _read_rule(field: Field) -> RetryRule:
    fields = Fields(field, grammar.RETRY)
    usual = RetryRule()
    interval = fields.read("interval", read_duration, usual.interval)
    given = fields.get("maxDelay")
    max_delay = fields.read("maxDelay", read_duration, max(usual.max_delay, interval + 1))
    if given and max_delay <= interval:
        given.error(Code.BAD_VALUE, "maxDelay must be longer than interval")
    return RetryRule(
        errors=fields.read("errors", _read_errors, usual.errors),
        max_retries=fields.read(
            "maxRetries", read_integer(0, grammar.MAX_RETRIES), usual.max_retries
        ),
        interval=interval,
        backoff_rate=fields.read("backoffRate", read_number(1, 100), usual.backoff_rate),
        max_delay=min(max_delay, MAX_SECONDS),
        full_jitter=fields.read("jitter", _read_jitter, usual.full_jitter),
    )


def _read_jitter(field: Field) -> bool:
    text = to_data(field.node)
    if text not in ("full", "none"):
        field.fail(Code.BAD_VALUE, "jitter is full or none")
    return bool(text == "full")


def _read_errors(field: Field) -> tuple[str, ...]:
    items = (field,) if field.entries() is None and field.items() is None else field.items()
    if not items:
        field.fail(Code.BAD_VALUE, "errors names no error")
    errors = tuple(error for item in items if (error := attempt(item, read_error, None)))
    if ALL_ERRORS in errors and len(items) > 1:
        field.fail(Code.RULE_ORDER, f"{ALL_ERRORS} stands alone in its rule")
    return errors


def read_error(field: Field) -> str:
    """The name of an error."""
    text = read_text(field, 128)
    if text == ALL_ERRORS:
        return text
    if text.startswith("States."):
        known = _STATES_ERRORS.get(text)
        hint = f"write {known}" if known else "use Ops-Core's own names"
        field.fail(Code.FOREIGN_ERROR, f"'{short(text)}' is Step Functions' own", hint)
    if not is_error_code(text):
        field.fail(
            Code.BAD_VALUE,
            f"'{short(text)}' is no error name",
            "a letter, then letters, digits and . _ -",
        )
    if text not in OWN_ERRORS and (hint := field.report.suggest(text, (*OWN_ERRORS, ALL_ERRORS))):
        message = f"'{text}' is not one of Ops-Core's errors"
        field.report.warn(Code.SUSPICIOUS_ERROR_NAME, message, field.place, hint)
    return text


def _check_order(items: tuple[Field, ...], rules: tuple[RetryRule, ...]) -> None:
    matched: set[str] = set()
    for item, rule in zip(items, rules, strict=True):
        place: Place = item.place
        if ALL_ERRORS in matched:
            message = f"no rule after the one for {ALL_ERRORS} is ever used"
            item.report.error(Code.RULE_ORDER, message, place, "put it last")
            return
        again = [error for error in rule.errors if error in matched]
        if again:
            message = f"an earlier rule already takes {', '.join(again)}: the first match wins"
            item.report.warn(Code.RULE_NEVER_MATCHES, message, place)
        matched.update(rule.errors)
