"""From a template's tree to the language: every field read, every default filled in."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from opscore.models.limits import Id, is_error_code
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
    Task,
    Workflow,
)
from opscore.workflows.names import MAX_NAME
from opscore.workflows.nodes import Mapping, short, to_data

DEFAULT_TIMEOUT = 10 * 60
DEFAULT_WAIT_TIMEOUT = 60 * 60
DEFAULT_PRIORITY = 5
LONG_TIMEOUT = 60 * 60
"""A default beyond this is worth a warning at each task that relies on it."""

MAX_TASKS = 2_000
MAX_RETRIES = 1_000

_WORKFLOW = (
    "id", "name", "description", "version", "timeout", "input", "defaults", "tasks",
)  # fmt: skip
_WORKFLOW_LATER = ("onFailure", "compensate")
_DEFAULTS = ("timeout", "waitTimeout", "retry")
_WHO = ("agentId", "agentCapability")
_TASK = (
    "taskId", "name", *_WHO, "parameters", "nextTaskId", "retry", "fallback",
    "timeout", "waitTimeout", "heartbeat", "priority",
)  # fmt: skip
_TASK_LATER = (
    "choice", "parallel", "map", "wait", "approval", "signal", "workflow", "repeat", "set", "fail",
    "succeed", "resultSchema", "compensate",
)  # fmt: skip
_RETRY = ("errors", "maxRetries", "interval", "backoffRate", "maxDelay", "jitter")
_FALLBACK = (*_WHO, "parameters", "retry", "taskId", "result")
_STATES_ERRORS = {
    "States.ALL": ALL_ERRORS,
    "States.Timeout": "AgentTimeout",
    "States.HeartbeatTimeout": "HeartbeatTimeout",
    "States.QueryEvaluationError": "ExpressionError",
    "States.TaskFailed": ALL_ERRORS,
}
_ids: TypeAdapter[str] = TypeAdapter(Id)


@dataclass(frozen=True, slots=True)
class _Defaults:
    timeout: int = DEFAULT_TIMEOUT
    wait_timeout: int = DEFAULT_WAIT_TIMEOUT
    retry: tuple[RetryRule, ...] = (RetryRule(),)


def read_workflow(root: Field) -> Workflow:
    """The workflow, with stand-ins for what could not be read; the report tells what that was.

    Raises `Unreadable` for what is no object at all.
    """
    fields = Fields(root, _WORKFLOW, _WORKFLOW_LATER)
    for name in ("id", "name", "tasks"):
        fields.require(name)
    defaults = fields.read("defaults", _read_defaults, _Defaults())
    return Workflow(
        id=fields.read("id", _read_id, "?"),
        name=fields.read("name", read_text, "?"),
        description=fields.read("description", _read_description, ""),
        version=fields.read("version", read_text, "1.0"),
        timeout=fields.read("timeout", read_duration, None),
        input=fields.read("input", _read_schema, None),
        tasks=fields.read("tasks", lambda field: _read_tasks(field, defaults), ()),
    )


def _read_description(field: Field) -> str:
    return "" if to_data(field.node) == "" else read_text(field, 4096)


def _read_schema(field: Field) -> dict[str, object]:
    data = to_data(field.node)
    if not isinstance(data, dict):
        field.wrong_type("an object, a JSON Schema")
    return data


def _read_id(field: Field) -> str:
    try:
        return _ids.validate_python(read_text(field))
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        field.fail(Code.BAD_ID, f"{field.name} {_lower(reason)}")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _read_defaults(field: Field) -> _Defaults:
    fields = Fields(field, _DEFAULTS)
    return _Defaults(
        timeout=fields.read("timeout", read_duration, DEFAULT_TIMEOUT),
        wait_timeout=fields.read("waitTimeout", read_duration, DEFAULT_WAIT_TIMEOUT),
        retry=fields.read("retry", _read_retry, (RetryRule(),)),
    )


def _read_tasks(field: Field, defaults: _Defaults) -> tuple[Task, ...]:
    items = field.items()
    if items is None:
        field.wrong_type("a list")
    if len(items) > MAX_TASKS:
        field.fail(Code.BAD_VALUE, f"a template has at most {MAX_TASKS} tasks")
    found = [attempt(item, lambda item: Fields(item, _TASK, _TASK_LATER), None) for item in items]
    readable = [fields for fields in found if fields is not None]
    ids = [_read_task_id(fields) for fields in readable]
    seen: set[str] = set()
    for task_id, fields in zip(ids, readable, strict=True):
        at = fields.get("taskId")
        if at and task_id in seen:
            at.error(Code.DUPLICATE_ID, f"taskId '{short(task_id)}' is taken by another task")
        seen.add(task_id)
    following = [*ids[1:], None]
    return tuple(
        _read_task(fields, task_id, following_id, defaults)
        for fields, task_id, following_id in zip(readable, ids, following, strict=False)
    )


def _read_task_id(fields: Fields) -> str:
    fields.require("taskId")
    return fields.read("taskId", _read_state_name, fields.field.path)


def _read_state_name(field: Field) -> str:
    text = read_text(field)
    if len(text) > MAX_NAME:
        field.fail(Code.BAD_ID, f"taskId must have at most {MAX_NAME} characters")
    if not text.isprintable() or text != text.strip():
        message = "taskId must neither hold control characters nor begin or end with white space"
        field.fail(Code.BAD_ID, message)
    return text


def _read_task(fields: Fields, task_id: str, following: str | None, defaults: _Defaults) -> Task:
    given = fields.raw("nextTaskId")
    next_task = following
    if given is not None:
        next_task = None if given.is_null else attempt(given, read_text, following)
    if defaults.timeout > LONG_TIMEOUT and "timeout" not in fields:
        fields.field.report.warn(
            Code.INHERITED_LONG_TIMEOUT,
            f"task '{short(task_id)}' has no timeout of its own, and the default is long",
            fields.field.place,
            f"it may hold an agent for {defaults.timeout} s",
        )
    seconds = or_expression(read_duration)
    route = _read_route(fields, defaults.retry, {})
    return Task(
        id=task_id,
        name=fields.read("name", or_expression(read_text), task_id),
        route=route,
        timeout=fields.read("timeout", seconds, defaults.timeout),
        wait_timeout=fields.read("waitTimeout", seconds, defaults.wait_timeout),
        heartbeat=fields.read("heartbeat", seconds, None),
        priority=fields.read("priority", or_expression(read_integer(0, 9)), DEFAULT_PRIORITY),
        next_task=next_task,
        fallback=fields.read(
            "fallback", lambda field: _read_fallback(field, route, defaults), None
        ),
        place=fields.field.place,
        next_place=given.place if given else fields.field.place,
    )


def _read_route(fields: Fields, retry: tuple[RetryRule, ...], parameters: Payload) -> Route:
    agent = fields.get("agentId")
    capability = fields.get("agentCapability")
    if agent and capability and not (agent.is_expression or capability.is_expression):
        capability.error(Code.EXCLUSIVE_FIELDS, "agentId and agentCapability exclude each other")
    return Route(
        agent_id=fields.read("agentId", or_expression(_read_id), None),
        agent_capability=fields.read("agentCapability", or_expression(read_text), None),
        parameters=fields.read("parameters", _read_parameters, parameters),
        retry=fields.read("retry", _read_retry, retry),
    )


def _read_parameters(field: Field) -> Payload:
    if not isinstance(field.node, Mapping) and not field.is_expression:
        field.wrong_type("an object, or an expression")
    return read_payload(field)


def _read_fallback(field: Field, route: Route, defaults: _Defaults) -> Fallback:
    fields = Fields(field, _FALLBACK)
    kinds = [
        kind
        for kind, given in (
            ("another route", any(key in fields for key in _WHO)),
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
    return OtherRoute(_read_route(fields, defaults.retry, route.parameters))


def _read_retry(field: Field) -> tuple[RetryRule, ...]:
    items = field.items()
    if items is None:
        return (_read_rule(field),)
    rules = tuple(_read_rule(item) for item in items)
    _check_order(items, rules)
    return rules


def _read_rule(field: Field) -> RetryRule:
    fields = Fields(field, _RETRY)
    usual = RetryRule()
    interval = fields.read("interval", read_duration, usual.interval)
    given = fields.get("maxDelay")
    max_delay = fields.read("maxDelay", read_duration, max(usual.max_delay, interval + 1))
    if given and max_delay <= interval:
        given.error(Code.BAD_VALUE, "maxDelay must be longer than interval")
    return RetryRule(
        errors=fields.read("errors", _read_errors, usual.errors),
        max_retries=fields.read("maxRetries", read_integer(0, MAX_RETRIES), usual.max_retries),
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
    errors = tuple(error for item in items if (error := attempt(item, _read_error, None)))
    if ALL_ERRORS in errors and len(items) > 1:
        field.fail(Code.RULE_ORDER, f"{ALL_ERRORS} stands alone in its rule")
    return errors


def _read_error(field: Field) -> str:
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
