"""Reads a case file: YAML or JSON, every fault of it found together, each with its place."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from typing import Any, TypeVar

from opscore.models.limits import is_error_code
from opscore.workflows.fields import (
    Field,
    Fields,
    attempt,
    read_duration,
    read_text,
)
from opscore.workflows.findings import Code, Place, Report
from opscore.workflows.loader import load
from opscore.workflows.nodes import Mapping, Scalar, short, to_data
from opscore_trial.cases import (
    USUAL_SECONDS,
    Answer,
    Case,
    Expected,
    Fails,
    Gives,
    Says,
    Silent,
    Wanted,
)
from opscore_trial.compiled import Compiled
from opscore_trial.labels import task_of

T = TypeVar("T")

_FILE = ("cases", "answers")
_CASE = ("name", "input", "agentId", "answers", "expect")
_KINDS = ("result", "error", "silent", "approved", "rejected")
_EXPECT = ("status", "result", "error", "asked", "sent", "path", "afterwards")
_STATUSES = ("completed", "failed")


def read_cases(source: bytes, compiled: Compiled, report: Report) -> tuple[Case, ...]:
    """The cases of a file, for that template; without those that the report has faults of."""
    node = load(source, report)
    if node is None and not report.errors:
        node = Scalar(None, "")
    if node is None:
        return ()
    reader = _Reader(compiled)
    return attempt(Field(node, "", report), reader.cases, ())


@dataclass(frozen=True)
class _Reader:
    compiled: Compiled

    def cases(self, root: Field) -> tuple[Case, ...]:
        fields = Fields(root, _FILE)
        fields.require("cases")
        shared = fields.read("answers", self._answers, {})
        found = fields.read("cases", _list_of(lambda field: self._case(field, shared)), ())
        names = set[str]()
        for case in found:
            if case.name in names:
                message = f"there is a case '{short(case.name)}' already"
                root.report.error(Code.DUPLICATE_ID, message, case.place)
            names.add(case.name)
        return found

    def _case(self, field: Field, shared: MappingType[str, tuple[Answer, ...]]) -> Case:
        fields = Fields(field, _CASE)
        fields.require("name")
        own = fields.read("answers", self._answers, {})
        return Case(
            name=fields.read("name", read_text, "?"),
            place=field.place,
            input=fields.read("input", _plain, {}),
            agent_id=fields.read("agentId", read_text, None),
            answers={**shared, **own},
            expected=self._expected(fields),
        )

    # ---- answers

    def _answers(self, field: Field) -> dict[str, tuple[Answer, ...]]:
        return {name: self._in_turn(name, at) for name, at in self._by_name(field).items()}

    def _in_turn(self, name: str, field: Field) -> tuple[Answer, ...]:
        kind = self.compiled.kinds[task_of(name, self.compiled.kinds)]
        items = field.items()
        if items is None:
            items = (field,)
        if not items:
            field.error(Code.BAD_VALUE, "an empty list answers nothing")
        silent = Answer(Silent())
        return tuple(attempt(item, lambda at: _answer(at, kind), silent) for item in items)

    # ---- what is expected

    def _expected(self, case: Fields) -> Expected:
        field = case.get("expect")
        usual = Expected(Wanted("completed", case.field.place))
        return usual if field is None else attempt(field, self._expectations, usual)

    def _expectations(self, field: Field) -> Expected:
        fields = Fields(field, _EXPECT)
        usual = "failed" if "error" in fields or "afterwards" in fields else "completed"
        result = fields.raw("result")
        return Expected(
            status=fields.read("status", _status, Wanted(usual, field.place)),
            result=None if result is None else Wanted(to_data(result.node), result.place),
            error=fields.read("error", _error, None),
            asked=fields.read("asked", self._tasks, None),
            sent=fields.read("sent", self._sent, None),
            path=fields.read("path", self._path, None),
            afterwards=fields.read("afterwards", self._tasks, None),
        )

    def _tasks(self, field: Field) -> Wanted:
        return Wanted(list(_list_of(self._task)(field)), field.place)

    def _task(self, field: Field) -> str:
        name = read_text(field)
        self._check_name(name, field.place, field.report)
        return name

    def _path(self, field: Field) -> Wanted:
        def state(item: Field) -> str:
            name = read_text(item)
            if name not in self.compiled.states:
                hint = item.report.suggest(name, self.compiled.states)
                item.error(Code.UNKNOWN_TASK, f"there is no state '{short(name)}'", hint)
            return name

        return Wanted(list(_list_of(state)(field)), field.place)

    def _sent(self, field: Field) -> dict[str, Wanted]:
        return {
            name: Wanted(to_data(at.node), at.place) for name, at in self._by_name(field).items()
        }

    def _by_name(self, field: Field) -> dict[str, Field]:
        """The fields of an object whose keys name tasks; those that don't are reported."""
        entries = field.entries()
        if entries is None or not isinstance(field.node, Mapping):
            field.wrong_type("an object, by taskId")
        keys = {key.text: Place(field.path, key.line, key.column) for key, _ in field.node.entries}
        return {
            name: at
            for name, at in entries.items()
            if self._check_name(name, keys[name], field.report)
        }

    def _check_name(self, name: str, place: Place, report: Report) -> bool:
        known = self.compiled.kinds
        task = task_of(name, known)
        if task not in known:
            message = f"the template asks nobody for a task '{short(task)}'"
            report.error(Code.UNKNOWN_TASK, message, place, report.suggest(task, known))
        return task in known


def _answer(field: Field, kind: str) -> Answer:
    fields = Fields(field, (*_KINDS, "after"))
    given = [name for name in _KINDS if fields.raw(name) is not None]
    if len(given) != 1:
        found = f"not {' and '.join(given)}" if given else "and has none of them"
        field.fail(Code.EXCLUSIVE_FIELDS, f"an answer is one of {', '.join(_KINDS)}, {found}")
    at = fields.raw(given[0])
    assert at is not None
    if given[0] in ("approved", "rejected") and kind != "approval":
        at.fail(Code.BAD_VALUE, f"{given[0]} answers an approval, and this is a {kind}")
    return Answer(_READERS[given[0]](at), fields.read("after", read_duration, USUAL_SECONDS))


def _gives(field: Field) -> Gives:
    return Gives(to_data(field.node))


def _fails(field: Field) -> Fails:
    if isinstance(field.node, Scalar):
        return Fails(_code(field), "")
    fields = Fields(field, ("code", "message"))
    fields.require("code")
    return Fails(fields.read("code", _code, "?"), fields.read("message", _free_text, ""))


def _silent(field: Field) -> Silent:
    if to_data(field.node) is not True:
        field.fail(Code.BAD_VALUE, "silent is true, or not there")
    return Silent()


def _approves(field: Field) -> Says:
    if to_data(field.node) is True:
        return Says(approved=True)
    fields = Fields(field, ("by", "comment"))
    return Says(True, fields.read("by", read_text, None), fields.read("comment", _free_text, ""))


def _rejects(field: Field) -> Says:
    if isinstance(field.node, Scalar):
        comment = "" if to_data(field.node) is True else read_text(field, 4096)
        return Says(approved=False, comment=comment)
    fields = Fields(field, ("by", "comment"))
    return Says(False, fields.read("by", read_text, None), fields.read("comment", _free_text, ""))


_READERS: dict[str, Callable[[Field], Gives | Fails | Silent | Says]] = {
    "result": _gives,
    "error": _fails,
    "silent": _silent,
    "approved": _approves,
    "rejected": _rejects,
}


def _code(field: Field) -> str:
    text = read_text(field)
    if not is_error_code(text):
        hint = "a letter, then letters, digits and . _ -"
        field.fail(Code.BAD_VALUE, f"'{short(text)}' is no error name", hint)
    return text


def _status(field: Field) -> Wanted:
    status = read_text(field)
    if status not in _STATUSES:
        field.fail(Code.BAD_VALUE, f"status is {' or '.join(_STATUSES)}")
    return Wanted(status, field.place)


def _error(field: Field) -> Wanted:
    if isinstance(field.node, Scalar):
        return Wanted({"code": read_text(field)}, field.place)
    fields = Fields(field, ("code", "message"))
    fields.require("code")
    return Wanted(to_data(field.node), field.place)


def _plain(field: Field) -> Any:
    return to_data(field.node)


def _free_text(field: Field) -> str:
    return read_text(field, 4096)


def _list_of(reader: Callable[[Field], T]) -> Callable[[Field], tuple[T, ...]]:
    def read(field: Field) -> tuple[T, ...]:
        items = field.items()
        if items is None:
            field.wrong_type("a list")
        found = (attempt(item, reader, None) for item in items)
        return tuple(item for item in found if item is not None)

    return read
