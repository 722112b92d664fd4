"""The names that a JSONata tree refers to.

They are found in the tree and replaced by their positions in the source, so that text in strings,
comments and regular expressions is never taken for a name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opscore.workflows.findings import Code, Place, Report
from opscore.workflows.language import Name, Reference
from opscore.workflows.names import RESERVED_PREFIXES
from opscore.workflows.nodes import short

OWN_NAMES = {name.value for name in Name} - {Name.VARIABLE.value}
_RESERVED = {"states", *OWN_NAMES}
_FUNCTION_NAMES = """
abs append assert average base64decode base64encode boolean ceil clone contains count
decodeUrl decodeUrlComponent distinct each encodeUrl encodeUrlComponent error exists
filter floor formatBase formatInteger formatNumber fromMillis hash join keys length
lookup lowercase map match max merge millis min not now number pad parse parseInteger
partition power random range reduce replace reverse round shuffle sift single sort split
spread sqrt string substring substringAfter substringBefore sum toMillis trim type
uppercase uuid zip
"""
_FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
"""JSONata 2.0.6 without `$eval`, and what Step Functions adds to it."""

KNOWN_NAMES = OWN_NAMES | _FUNCTIONS


def may_be_set(name: str) -> bool:
    """Whether a `set` step may give the name a value."""
    return name not in KNOWN_NAMES and name not in {"states", "eval"}


def find_references(
    tree: Any, source: str, exact: Place | None, place: Place, report: Report
) -> tuple[Reference, ...]:
    """Every reference in the order of the source; what is wrong with names is reported.

    `exact` is where the source begins, if that is known, and `place` where its value stands.
    """
    reader = _Reader(source, exact, place, report)
    reader.read(tree)
    return tuple(sorted(reader.references, key=lambda reference: reference.start))


class _Reader:
    """Walks one tree.

    `frame` holds the variables that the expression made so far, and `inside` tells whether there is
    a context for field names: at the top there is none.
    """

    def __init__(self, source: str, exact: Place | None, place: Place, report: Report) -> None:
        self._source = source
        self._exact = exact
        self._place = place
        self._report = report
        self.references: list[Reference] = []

    def read(self, tree: Any) -> None:
        self._node(tree, set(), inside=False)

    def _node(self, node: Any, frame: set[str], *, inside: bool) -> None:
        match node.type:
            case "path":
                self._path(node, frame, inside=inside)
            case "variable":
                self._variable(node, frame, inside=inside)
            case "name" | "wildcard" | "descendant" | "parent":
                self._needs_context(node, inside=inside)
            case "function" | "partial":
                self._call(node, frame, inside=inside)
            case _:
                self._compound(node, frame, inside=inside)
        self._selectors(node, frame)

    def _compound(self, node: Any, frame: set[str], *, inside: bool) -> None:
        parts = list(_children(node))
        match node.type:
            case "lambda":
                frame = frame | {self._bound(argument) for argument in node.arguments}
                parts = [node.body]
            case "bind":
                frame.add(self._bound(node.lhs))
                parts = [node.rhs]
            case "block":
                frame = set(frame)
            case "transform":
                inside = True
                parts = [node.pattern, node.update, *([node.delete] if node.delete else [])]
            case _:
                pass
        for part in parts:
            self._node(part, frame, inside=inside)

    def _selectors(self, node: Any, frame: set[str]) -> None:
        for stage in (*(node.predicate or ()), *(node.stages or ())):
            if stage.type == "index":
                frame.add(self._named(stage.value, stage.position))
            else:
                self._node(stage.expr, frame, inside=True)
        if node.group is not None:
            for pair in node.group.lhs_object:
                for part in pair:
                    self._node(part, frame, inside=True)

    def _path(self, node: Any, frame: set[str], *, inside: bool) -> None:
        first, *rest = node.steps
        inner = set(frame)
        if first.type == "variable" and first.value == "tasks":
            rest = self._task(first, rest, inner)
        else:
            self._node(first, inner, inside=inside)
        self._binders(first, inner)
        for step in rest:
            if step.type == "sort":
                for term in step.terms:
                    self._node(term.expression, inner, inside=True)
            self._binders(step, inner)
            self._node(step, inner, inside=True)

    def _binders(self, step: Any, frame: set[str]) -> None:
        for name in (step.focus, step.index if step.type != "parent" else None):
            if isinstance(name, str):
                frame.add(self._named(name, step.position))

    def _task(self, variable: Any, rest: list[Any], frame: set[str]) -> list[Any]:
        """Take `$tasks.<id>` as one reference; the steps after it are ordinary."""
        step = rest[0] if rest else None
        if step is None or step.type != "name" or variable.predicate or variable.group:
            self._tasks_alone(variable)
            return rest
        start = variable.position - len("$tasks")
        self._refer(Name.TASKS, start, step.position, step.value)
        self._selectors(step, frame)
        self._binders(step, frame)
        return rest[1:]

    def _variable(self, node: Any, frame: set[str], *, inside: bool) -> None:
        name = node.value
        start = node.position - len(name) - 1
        if name == "" and not inside:
            self._error(Code.NO_CONTEXT, "'$' has nothing to stand for here", start, "use $input")
        elif name == "$":
            self._error(Code.NO_CONTEXT, "'$$' has nothing to stand for", start, "use $input")
        elif name == Name.TASKS.value:
            self._tasks_alone(node)
        elif name in OWN_NAMES:
            self._refer(Name(name), start, node.position)
        elif name == "states":
            hint = "use $input, $session, $tasks.<taskId> or $error"
            self._error(Code.UNKNOWN_NAME, "$states is Step Functions' own", start, hint)
        elif name and name not in frame and name not in _FUNCTIONS:
            self._refer(Name.VARIABLE, start, node.position, name)

    def _call(self, node: Any, frame: set[str], *, inside: bool) -> None:
        procedure = node.procedure
        position = node.position
        match procedure.type:
            case "variable" if procedure.value == "eval":
                self._error(
                    Code.UNKNOWN_NAME, "Step Functions has no $eval", position - 1, "use $parse"
                )
            case "variable" if procedure.value in _FUNCTIONS:
                pass  # also $error(), which is not the name $error
            case "path" if len(procedure.steps) == 1 and procedure.steps[0].type == "name":
                name = procedure.steps[0].value
                known = f"write ${name}" if name in _FUNCTIONS else ""
                start = procedure.steps[0].position - len(name)
                self._error(
                    Code.UNKNOWN_NAME, f"functions begin with $: {short(name)}", start, known
                )
            case _:
                self._node(procedure, frame, inside=inside)
        for argument in node.arguments:
            self._node(argument, frame, inside=inside)

    def _needs_context(self, node: Any, *, inside: bool) -> None:
        if inside:
            return
        if node.type == "name":
            name = short(str(node.value))
            self._error(
                Code.NO_CONTEXT,
                f"field '{name}' of what?",
                self._name_start(node),
                f"write $input.{name} or $tasks.<taskId>.{name}, or quote it if it is text",
            )
        else:
            sign = {"wildcard": "*", "descendant": "**"}.get(node.type, "%")
            self._error(Code.NO_CONTEXT, f"'{sign}' of what?", node.position - len(sign))

    def _name_start(self, node: Any) -> int:
        quoted = self._source[node.position - 1] in "`\"'"
        return int(node.position) - len(node.value) - (2 if quoted else 0)

    def _tasks_alone(self, node: Any) -> None:
        self._error(
            Code.TASKS_WITHOUT_NAME,
            "$tasks needs the task whose result is meant",
            node.position - len("$tasks"),
            "write $tasks.<taskId>, and $tasks.`<task-id>` if it is not an identifier",
        )

    def _bound(self, variable: Any) -> str:
        return self._named(str(variable.value), variable.position)

    def _named(self, name: str, position: int) -> str:
        if name in _RESERVED or name.startswith(RESERVED_PREFIXES):
            start = max(position - len(name) - 1, 0)
            self._error(
                Code.RESERVED_NAME,
                f"${short(name)} can't be a variable of an expression",
                start,
                "choose another name",
            )
        return name

    def _refer(self, name: Name, start: int, end: int, what: str | None = None) -> None:
        self.references.append(Reference(name, start, end, what, self._at(start)))

    def _error(self, code: Code, message: str, offset: int, hint: str = "") -> None:
        self._report.error(code, message, self._at(offset), hint)

    def _at(self, offset: int) -> Place:
        return self._exact.moved(offset) if self._exact else self._place


def _children(node: Any) -> Iterator[Any]:
    """The parts of a node that share its frame and context."""
    single = ("lhs", "rhs", "expression", "condition", "then", "_else")
    yield from (part for name in single if (part := getattr(node, name)) is not None and part.type)
    yield from node.expressions or ()
    for pair in node.lhs_object or ():
        yield from pair
