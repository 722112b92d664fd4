"""Where everything of a diagram goes: lists run downwards, branches stand side by side.

Steps that go on with the next one below are joined by a straight line; all other ways run along the
right side of their list, each in a lane of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from opscore_picture.diagram import Diagram, Link, Node, Nodes, Shape

CHARACTER, LINE, PADDING = 7.0, 17.0, 12.0
GAP, LANE, MARGIN = 34.0, 16.0, 16.0
NARROWEST = 110.0
END = 8.0
"""Radius of the mark at the end of a list."""


@dataclass(frozen=True)
class Box:
    """A step, or what holds others, from its upper left corner."""

    node: Node
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height


@dataclass(frozen=True)
class Way:
    """A line through some points, with its label at the first bend."""

    points: tuple[tuple[float, float], ...]
    label: str = ""
    failed: bool = False


@dataclass
class Layout:
    """Everything placed. `ends`: the middles of the marks where lists end."""

    width: float = 0
    height: float = 0
    boxes: list[Box] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    ends: list[tuple[float, float]] = field(default_factory=list)

    def add(self, other: Layout, x: float, y: float) -> None:
        """Take over another layout, moved."""
        self.boxes += [replace(box, x=box.x + x, y=box.y + y) for box in other.boxes]
        self.ways += [
            replace(way, points=tuple((px + x, py + y) for px, py in way.points))
            for way in other.ways
        ]
        self.ends += [(ex + x, ey + y) for ex, ey in other.ends]


def lay_out(picture: Diagram) -> tuple[Layout, Layout | None]:
    """The workflow, and what runs when it has ended badly."""
    handlers = _list(picture.handlers) if picture.handlers else None
    return _list(picture.nodes), handlers


def _list(nodes: Nodes) -> Layout:
    parts = [_step(node) for node in nodes]
    labels = max((_width(_texts(node.links)) for node in nodes), default=0.0)
    width = max((part.width for part in parts), default=NARROWEST)
    layout = Layout()
    y, tops = 0.0, dict[str, Box]()
    for node, part in zip(nodes, parts, strict=True):
        x = (width - part.width) / 2
        layout.add(part, x, y)
        tops[node.id] = Box(node, x, y, part.width, part.height)
        y += part.height + GAP
    end = (width / 2, y + END)
    layout.ends.append(end)
    lanes = _ways(layout, nodes, tops, end, width)
    layout.width = width + (lanes * LANE + labels if lanes else 0)
    layout.height = y + 2 * END
    return layout


def _ways(
    layout: Layout, nodes: Nodes, tops: dict[str, Box], end: tuple[float, float], width: float
) -> int:
    """Draw the ways of a list; how many lanes they took."""
    below = {node.id: after.id for node, after in pairwise(nodes)}
    lanes = 0
    for node in nodes:
        box = tops[node.id]
        for link in node.links:
            last = link.target is None and node is nodes[-1]
            if last or (link.target is not None and link.target == below.get(node.id)):
                arrival = end[1] - END if last else tops[below[node.id]].y
                straight = ((box.middle, box.bottom), (box.middle, arrival))
                layout.ways.append(Way(straight, link.label, link.failed))
                continue
            lanes += 1
            x = width + lanes * LANE
            start = _leaving(box, lanes)
            arriving = end if link.target is None else _side(tops.get(link.target, box))
            points = (start, (x, start[1]), (x, arriving[1]), arriving)
            layout.ways.append(Way(points, link.label, link.failed))
    return lanes


def _leaving(box: Box, lane: int) -> tuple[float, float]:
    """A choice is left at its corner, others by one lane below the other."""
    down = box.height / 2
    if box.node.shape is not Shape.CHOICE:
        down = min(down, 4 + 6 * lane)
    return box.x + box.width, box.y + down


def _side(box: Box) -> tuple[float, float]:
    return box.x + box.width, box.y + min(box.height, LINE) / 2


def _step(node: Node) -> Layout:
    head = LINE * (1 + len(node.lines)) + PADDING
    width = max(_width((node.title, *node.lines)) + 2 * PADDING, NARROWEST)
    if not node.inside:
        if node.shape is Shape.CHOICE:
            width, head = width * 1.25, head + LINE
        return Layout(width, head, [Box(node, 0, 0, width, head)])
    parts = [_list(nodes) for nodes in node.inside]
    inner = sum(part.width for part in parts) + MARGIN * (len(parts) + 1)
    width = max(width, inner)
    height = head + max(part.height for part in parts) + 2 * MARGIN
    layout = Layout(width, height, [Box(node, 0, 0, width, height)])
    x = MARGIN + (width - inner) / 2
    for part in parts:
        layout.add(part, x, head + MARGIN)
        x += part.width + MARGIN
    return layout


def _texts(links: Iterable[Link]) -> tuple[str, ...]:
    return tuple(link.label for link in links)


def _width(texts: Iterable[str]) -> float:
    return max((len(text) for text in texts), default=0) * CHARACTER
