"""A diagram as Mermaid text, which many editors and forges show as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count

from opscore_picture.colours import COLOURS
from opscore_picture.diagram import Diagram, Node, Nodes, Shape

_FRAMES = {
    Shape.AGENT: ("[", "]"),
    Shape.PERSON: ("{{", "}}"),
    Shape.SIGNAL: (">", "]"),
    Shape.CHILD: ("[[", "]]"),
    Shape.CHOICE: ("{", "}"),
    Shape.WAIT: ("([", "])"),
    Shape.SET: ("[/", "/]"),
    Shape.FAIL: ("([", "])"),
    Shape.SUCCEED: ("([", "])"),
}
_ESCAPED = str.maketrans({'"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;", "`": "#96;"})


def mermaid(picture: Diagram, states: Mapping[str, str] | None = None) -> str:
    """The text. `states`: how each step stands in a session, to be coloured."""
    return "\n".join(_Writer(states or {}).lines(picture)) + "\n"


class _Writer:
    def __init__(self, states: Mapping[str, str]) -> None:
        self._states = states
        self._numbers = count()
        self._names: dict[str, str] = {}

    def lines(self, picture: Diagram) -> Iterator[str]:
        yield "---"
        yield f"title: {_quoted(picture.title)}"
        yield "---"
        yield "flowchart TD"
        yield "  start((start))"
        yield "  finish((end))"
        yield from self._list(picture.nodes, "finish", 1)
        if picture.nodes:
            yield f"  start --> {self._name(picture.nodes[0].id)}"
        else:
            yield "  start --> finish"
        if picture.handlers:
            yield '  subgraph handlers["when it ends badly"]'
            yield "    handled((end))"
            yield from self._list(picture.handlers, "handled", 2)
            yield "  end"
        used = {state for state in self._states.values() if state in COLOURS}
        for state in sorted(used):
            fill, line = COLOURS[state]
            yield f"  classDef {state} fill:{fill},stroke:{line}"

    def _list(self, nodes: Nodes, end: str, depth: int) -> Iterator[str]:
        for node in nodes:
            yield from self._node(node, depth)
        for node in nodes:
            yield from self._links(node, end, depth)

    def _node(self, node: Node, depth: int) -> Iterator[str]:
        pad, name = "  " * depth, self._name(node.id)
        label = _quoted("<br/>".join(_escaped(text) for text in (node.title, *node.lines)))
        state = self._states.get(node.id)
        colour = f":::{state}" if state in COLOURS else ""
        if not node.inside:
            begin, end = _FRAMES[node.shape]
            yield f"{pad}{name}{begin}{label}{end}{colour}"
            return
        yield f"{pad}subgraph {name}[{label}]"
        for nodes in node.inside:
            done = f"{name}_end{next(self._numbers)}"
            yield f"{pad}  {done}(( ))"
            yield from self._list(nodes, done, depth + 1)
        yield f"{pad}end"
        if colour:
            yield f"{pad}class {name} {state}"

    def _links(self, node: Node, end: str, depth: int) -> Iterator[str]:
        pad = "  " * depth
        for link in node.links:
            arrow = "-.->" if link.failed else "-->"
            label = f"|{_quoted(_escaped(link.label))}|" if link.label else ""
            target = end if link.target is None else self._name(link.target)
            yield f"{pad}{self._name(node.id)} {arrow}{label} {target}"

    def _name(self, step_id: str) -> str:
        """Ids of steps hold what Mermaid's can't."""
        return self._names.setdefault(step_id, f"s{len(self._names)}")


def _escaped(text: str) -> str:
    return text.translate(_ESCAPED)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', "#quot;") + '"'
