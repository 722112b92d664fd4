"""A diagram as one SVG file, with nothing to fetch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape, quoteattr

from opscore_picture.colours import COLOURS
from opscore_picture.diagram import Diagram, Shape
from opscore_picture.layout import END, LINE, MARGIN, PADDING, Box, Layout, Way, lay_out

PLAIN = ("#ffffff", "#44526b")
GROUP = ("#f6f8fb", "#8793a8")
_FILLS = {
    Shape.PERSON: ("#eef3ff", "#3d5a99"),
    Shape.FAIL: ("#fff1f0", "#b3261e"),
    Shape.GROUP: GROUP,
}
_STYLE = (
    "text{font:12px ui-sans-serif,system-ui,sans-serif;fill:#1c2330}"
    ".t{font-weight:600}.l{fill:#5b6577}.k{font-size:11px;fill:#3d5a99}"
    ".w{fill:none;stroke:#44526b;stroke-width:1.3}.f{stroke:#b3261e;stroke-dasharray:5 3}"
)


def svg(picture: Diagram, states: Mapping[str, str] | None = None) -> str:
    """The file's text. `states`: how each step stands in a session, to be coloured."""
    main, handlers = lay_out(picture)
    whole, top = Layout(), MARGIN + 2 * LINE
    whole.add(main, MARGIN, top)
    width, height = main.width, top + main.height
    headings = [(MARGIN, MARGIN + LINE, picture.title)]
    if handlers is not None:
        headings.append((MARGIN, height + 2 * LINE, "when it ends badly"))
        whole.add(handlers, MARGIN, height + 3 * LINE)
        width, height = max(width, handlers.width), height + 3 * LINE + handlers.height
    width, height = max(width, len(picture.title) * 8) + 2 * MARGIN, height + MARGIN
    body = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
            f' viewBox="0 0 {width:.0f} {height:.0f}" role="img"'
            f" aria-label={quoteattr(picture.title)}>"
        ),
        f"<style>{_STYLE}</style>",
        (
            '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7"'
            ' markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#44526b"/>'
            "</marker></defs>"
        ),
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
        *(_text(x, y, text, "t") for x, y, text in headings),
        *(line for box in whole.boxes for line in _box(box, (states or {}).get(box.node.id))),
        *(line for way in whole.ways for line in _way(way)),
        *(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{END - 3}" fill="#44526b"/>'
            for x, y in whole.ends
        ),
        "</svg>",
    ]
    return "\n".join(body) + "\n"


def _box(box: Box, state: str | None) -> Iterator[str]:
    fill, stroke = _FILLS.get(box.node.shape, PLAIN)
    if state is not None and state in COLOURS:
        fill, stroke = COLOURS[state]
    paint = f'fill="{fill}" stroke="{stroke}" stroke-width="1.3"'
    yield f"<g><title>{escape(box.node.title)}{f': {state}' if state else ''}</title>"
    if box.node.shape is Shape.CHOICE:
        x, y, w, h = box.x, box.y, box.width, box.height
        points = f"{x},{y + h / 2} {x + w / 2},{y} {x + w},{y + h / 2} {x + w / 2},{y + h}"
        yield f'<polygon points="{points}" {paint}/>'
    else:
        radius = 14 if box.node.shape in (Shape.WAIT, Shape.SUCCEED, Shape.FAIL) else 5
        yield (
            f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}"'
            f' height="{box.height:.1f}" rx="{radius}" {paint}/>'
        )
    y = box.y + PADDING / 2 + LINE - 4
    if box.node.shape is Shape.CHOICE:
        y = box.y + box.height / 2 + 4
    yield _text(box.middle, y, box.node.title, "t", middle=True)
    for line in box.node.lines:
        y += LINE
        yield _text(box.middle, y, line, "l", middle=True)
    yield "</g>"


def _way(way: Way) -> Iterator[str]:
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in way.points)
    failed = " f" if way.failed else ""
    yield f'<path class="w{failed}" d="{path}" marker-end="url(#a)"/>'
    if way.label:
        x, y = way.points[0] if len(way.points) == 2 else way.points[1]
        yield _text(x + 5, y + (14 if len(way.points) == 2 else -4), way.label, "k")


def _text(x: float, y: float, text: str, style: str, *, middle: bool = False) -> str:
    anchor = ' text-anchor="middle"' if middle else ""
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}"{anchor}>{escape(text)}</text>'
