"""Reading steps: which kind each is, its fields, and what follows it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypedDict

from opscore.workflows import grammar
from opscore.workflows.fields import (
    Field,
    Fields,
    Unreadable,
    attempt,
    or_expression,
    read_duration,
    read_integer,
    read_payload,
    read_text,
)
from opscore.workflows.findings import Code, Place
from opscore.workflows.language import (
    Approval,
    Block,
    Child,
    Choice,
    Expression,
    Fail,
    Fallback,
    Map,
    Parallel,
    Repeat,
    Rule,
    SetVariables,
    Signal,
    Step,
    Succeed,
    Task,
    Wait,
)
from opscore.workflows.names import MAX_NAME, compensation_id
from opscore.workflows.nodes import Mapping, short
from opscore.workflows.read_routes import (
    Defaults,
    read_fallback,
    read_id,
    read_object,
    read_retry,
    read_route,
)
from opscore.workflows.references import may_be_set
from opscore.workflows.step_fields import (
    DEFAULT_PATIENCE,
    Otherwise,
    always,
    fields_of,
    kind_of,
    read_condition,
    read_items,
    read_own_error,
    read_patience,
    read_result_schema,
    read_rule,
    read_state_name,
    read_time,
    some_of,
    value_of,
    with_shorthand,
)

LONG_TIMEOUT = 60 * 60
"""A default beyond this is worth a warning at each task that relies on it."""

_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class _Named(TypedDict):
    id: str
    name: str | Expression
    next_task: str | None
    place: Place
    next_place: Place


class Reader:
    """Reads the steps of one template; ids are unique in all of it."""

    def __init__(self, defaults: Defaults) -> None:
        self._defaults = defaults
        self._seen: set[str] = set()
        self._kinds: dict[str, Callable[[Fields, _Named], Step]] = {
            "approval": self._approval,
            "signal": self._signal,
            "workflow": self._child,
            "parallel": self._parallel,
            "map": self._map,
            "repeat": self._repeat,
            "choice": self._choice,
            "wait": self._wait,
            "set": self._set,
            "fail": self._fail,
            "succeed": self._succeed,
        }

    def top_level(self, field: Field) -> Block:
        """The steps of the template itself."""
        return self._steps(field, nested=False)

    def block(self, field: Field) -> Block:
        """A list of steps inside something; an empty one has nothing to do there."""
        block = self._steps(field, nested=True)
        if not block:
            field.fail(Code.BAD_VALUE, f"{field.name} has no steps")
        return block

    def _steps(self, field: Field, *, nested: bool) -> Block:
        items = field.items()
        if items is None:
            field.wrong_type("a list")
        if len(self._seen) + len(items) > grammar.MAX_STEPS:
            field.fail(Code.BAD_VALUE, f"a template has at most {grammar.MAX_STEPS} tasks")
        found = [attempt(item, fields_of, None) for item in items]
        readable = [fields for fields in found if fields is not None]
        ids = [self._id(fields) for fields in readable]
        following = [*ids[1:], None]
        return tuple(
            step
            for fields, step_id, next_id in zip(readable, ids, following, strict=False)
            if (step := self._step(fields, step_id, next_id, nested=nested)) is not None
        )

    def _id(self, fields: Fields) -> str:
        fields.require("taskId")
        step_id = fields.read("taskId", read_state_name, fields.field.path)
        at = fields.get("taskId")
        if at and step_id in self._seen:
            at.error(Code.DUPLICATE_ID, f"taskId '{short(step_id)}' is taken by another task")
        self._seen.add(step_id)
        return step_id

    def _step(
        self, fields: Fields, step_id: str, following: str | None, *, nested: bool
    ) -> Step | None:
        named = self._named(fields, step_id, following)
        undo = fields.get("compensate")
        if nested and undo:
            undo.error(
                Code.NOT_TOP_LEVEL,
                "only steps of the template's own list can be compensated",
                "what is inside a branch, a map or a loop may have run any number of times",
            )
        kind = kind_of(fields)
        try:
            return self._task(fields, named) if kind is None else self._kinds[kind](fields, named)
        except Unreadable:
            # A stand-in, so that what refers to the step is not reported too.
            return self._task(fields, named)

    def _named(self, fields: Fields, step_id: str, following: str | None) -> _Named:
        given = fields.raw("nextTaskId")
        next_task = following
        if given is not None:
            next_task = None if given.is_null else attempt(given, read_text, following)
        return _Named(
            id=step_id,
            name=fields.read("name", or_expression(read_text), step_id),
            next_task=next_task,
            place=fields.field.place,
            next_place=given.place if given else fields.field.place,
        )

    # ---- what agents do

    def _task(self, fields: Fields, named: _Named) -> Task:
        if self._defaults.timeout > LONG_TIMEOUT and "timeout" not in fields:
            fields.field.report.warn(
                Code.INHERITED_LONG_TIMEOUT,
                f"task '{short(named['id'])}' has no timeout of its own, and the default is long",
                fields.field.place,
                f"it may hold an agent for {self._defaults.timeout} s",
            )
        task = self._bare_task(fields, named)
        retry = self._defaults.retry
        return replace(
            task,
            fallback=fields.read("fallback", lambda f: read_fallback(f, task.route, retry), None),
            compensate=self._compensation(fields, named),
        )

    def _bare_task(self, fields: Fields, named: _Named) -> Task:
        seconds = or_expression(read_duration)
        return Task(
            **named,
            route=read_route(fields, self._defaults.retry, {}),
            timeout=fields.read("timeout", seconds, self._defaults.timeout),
            wait_timeout=fields.read("waitTimeout", seconds, self._defaults.wait_timeout),
            heartbeat=fields.read("heartbeat", seconds, None),
            priority=fields.read(
                "priority", or_expression(read_integer(0, 9)), grammar.DEFAULT_PRIORITY
            ),
            result_schema=fields.read("resultSchema", read_result_schema, None),
            fallback=None,
            compensate=None,
        )

    def _compensation(self, fields: Fields, named: _Named) -> Task | None:
        return fields.read("compensate", lambda field: self._undo(field, named), None)

    def _undo(self, field: Field, named: _Named) -> Task:
        fields = Fields(field, grammar.COMPENSATION)
        step_id = compensation_id(named["id"])
        return self._bare_task(
            fields,
            _Named(
                id=step_id,
                name=fields.read("name", or_expression(read_text), step_id),
                next_task=None,
                place=field.place,
                next_place=field.place,
            ),
        )

    # ---- what others answer

    def _approval(self, fields: Fields, named: _Named) -> Approval:
        asked = with_shorthand(value_of(fields, "approval"), grammar.APPROVAL)
        return Approval(
            **named,
            retry=fields.read("retry", read_retry, ()),
            fallback=self._fallback(fields),
            compensate=self._compensation(fields, named),
            prompt=asked.read("prompt", read_payload, named["name"]),
            timeout=read_patience(asked),
        )

    def _signal(self, fields: Fields, named: _Named) -> Signal:
        field = value_of(fields, "signal")
        plain = not isinstance(field.node, Mapping)
        asked = None if plain else Fields(field, grammar.SIGNAL)
        if asked:
            asked.require("name")
        read_name = or_expression(read_text)
        return Signal(
            **named,
            retry=fields.read("retry", read_retry, ()),
            fallback=self._fallback(fields),
            compensate=self._compensation(fields, named),
            signal=asked.read("name", read_name, "?") if asked else read_name(field),
            timeout=read_patience(asked) if asked else DEFAULT_PATIENCE,
        )

    def _child(self, fields: Fields, named: _Named) -> Child:
        field = value_of(fields, "workflow")
        plain = not isinstance(field.node, Mapping)
        asked = None if plain else Fields(field, grammar.CHILD)
        if asked:
            asked.require("id")
        ident = or_expression(read_id)
        version = or_expression(read_integer(1, 2**31))
        return Child(
            **named,
            retry=fields.read("retry", read_retry, ()),
            fallback=self._fallback(fields),
            compensate=self._compensation(fields, named),
            workflow_id=asked.read("id", ident, "?") if asked else ident(field),
            version=asked.read("version", version, None) if asked else None,
            input=asked.read("input", read_object, {}) if asked else {},
            timeout=read_patience(asked) if asked else DEFAULT_PATIENCE,
        )

    def _fallback(self, fields: Fields) -> Fallback | None:
        return fields.read("fallback", lambda field: read_fallback(field, None, ()), None)

    # ---- what holds other steps

    def _parallel(self, fields: Fields, named: _Named) -> Parallel:
        field = value_of(fields, "parallel")
        items = some_of(field, "a list of branches, each with tasks")
        if len(items) > grammar.MAX_BRANCHES:
            field.fail(Code.BAD_VALUE, f"there can be at most {grammar.MAX_BRANCHES} branches")
        return Parallel(
            **named,
            retry=fields.read("retry", read_retry, ()),
            fallback=self._fallback(fields),
            branches=tuple(attempt(item, self._branch, ()) for item in items),
        )

    def _branch(self, field: Field) -> Block:
        fields = Fields(field, grammar.BRANCH)
        fields.require("tasks")
        return fields.read("tasks", self.block, ())

    def _map(self, fields: Fields, named: _Named) -> Map:
        inner = Fields(value_of(fields, "map"), grammar.MAP)
        for key in ("items", "tasks"):
            inner.require(key)
        items = inner.read("items", read_items, ())
        written_out = len(items) if isinstance(items, tuple) else grammar.DEFAULT_MAX_ITEMS
        return Map(
            **named,
            retry=fields.read("retry", read_retry, ()),
            fallback=self._fallback(fields),
            items=items,
            max_items=inner.read(
                "maxItems", read_integer(1, grammar.MAX_ITEMS), max(written_out, 1)
            ),
            max_concurrency=inner.read(
                "maxConcurrency",
                read_integer(1, grammar.MAX_CONCURRENCY),
                grammar.INLINE_CONCURRENCY,
            ),
            tolerated=inner.read("toleratedFailurePercentage", read_integer(0, 100), 0),
            body=inner.read("tasks", self.block, ()),
        )

    def _repeat(self, fields: Fields, named: _Named) -> Repeat:
        inner = Fields(value_of(fields, "repeat"), grammar.REPEAT)
        for key in ("tasks", "until"):
            inner.require(key)
        return Repeat(
            **named,
            body=inner.read("tasks", self.block, ()),
            until=inner.read("until", read_condition, always(fields.field)),
            max_iterations=inner.read(
                "maxIterations", read_integer(1, grammar.MAX_ITERATIONS), grammar.DEFAULT_ITERATIONS
            ),
            fallback=self._fallback(fields),
        )

    # ---- what goes its own way

    def _choice(self, fields: Fields, named: _Named) -> Choice:
        field = value_of(fields, "choice")
        items = some_of(field, "a list of rules, each with when and nextTaskId")
        found = [attempt(item, read_rule, None) for item in items]
        rules = [rule for rule in found if isinstance(rule, Rule)]
        for item, rule in zip(items[:-1], found, strict=False):
            if isinstance(rule, Otherwise):
                message = "a rule without 'when' takes everything, so it stands last"
                item.error(Code.RULE_ORDER, message)
        last = found[-1]
        if isinstance(last, Otherwise):
            if given := fields.raw("nextTaskId"):
                given.error(
                    Code.EXCLUSIVE_FIELDS, "the rule without 'when' says already where to go on"
                )
            named = {**named, "next_task": last.next_task, "next_place": last.place}
        return Choice(**named, rules=tuple(rules))

    def _wait(self, fields: Fields, named: _Named) -> Wait:
        field = value_of(fields, "wait")
        if not isinstance(field.node, Mapping):
            return Wait(**named, seconds=or_expression(read_duration)(field), until=None)
        inner = Fields(field, grammar.UNTIL)
        inner.require("until")
        return Wait(**named, seconds=None, until=inner.read("until", or_expression(read_time), "?"))

    def _set(self, fields: Fields, named: _Named) -> SetVariables:
        field = value_of(fields, "set")
        entries = field.entries()
        if entries is None:
            field.wrong_type("an object of names and values")
        if not entries:
            field.fail(Code.BAD_VALUE, "set sets nothing")
        for name, entry in entries.items():
            if not _VARIABLE.fullmatch(name) or len(name) > MAX_NAME - 2:
                entry.error(
                    Code.BAD_ID,
                    f"'{short(name)}' can't be a variable",
                    "a letter, then letters, digits and _",
                )
            elif not may_be_set(name):
                entry.error(Code.RESERVED_NAME, f"'{name}' is a name of JSONata or of Ops-Core")
        return SetVariables(
            **named, variables={name: read_payload(entry) for name, entry in entries.items()}
        )

    def _fail(self, fields: Fields, named: _Named) -> Fail:
        field = value_of(fields, "fail")
        plain = not isinstance(field.node, Mapping)
        inner = None if plain else Fields(field, grammar.FAIL)
        if inner:
            inner.require("error")
        message = or_expression(lambda field: read_text(field, 1024))
        return Fail(
            **_ending(named),
            error=inner.read("error", read_own_error, "?") if inner else read_own_error(field),
            message=inner.read("message", message, "") if inner else "",
        )

    def _succeed(self, fields: Fields, named: _Named) -> Succeed:
        field = fields.raw("succeed")
        if field is None or field.is_null:
            return Succeed(**_ending(named), result=None)
        inner = Fields(field, grammar.SUCCEED)
        return Succeed(**_ending(named), result=inner.read("result", read_payload, None))


def _ending(named: _Named) -> _Named:
    return {**named, "next_task": None}
