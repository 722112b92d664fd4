"""Expressions of a template: what is one, and reading it."""

from __future__ import annotations

from opscore.workflows.findings import Code, Place, Report
from opscore.workflows.language import Expression
from opscore.workflows.nodes import Scalar
from opscore.workflows.references import find_references

OPEN, CLOSE = "{%", "%}"


def is_expression(text: str) -> bool:
    """Whether the whole text is one expression; white space around it does not count."""
    text = text.strip()
    return len(text) >= len(OPEN + CLOSE) and text.startswith(OPEN) and text.endswith(CLOSE)


def check_text(text: str, place: Place, report: Report) -> bool:
    """Find what looks like an expression in plain text, and is none; False refuses the text."""
    stripped = text.strip()
    if stripped.startswith(OPEN) or stripped.endswith(CLOSE):
        report.error(
            Code.BAD_DELIMITERS,
            f"an expression stands between '{OPEN}' and '{CLOSE}', and one of them is missing",
            place,
        )
        return False
    if OPEN in text and CLOSE in text:
        report.warn(
            Code.EXPRESSION_IN_TEXT,
            f"'{OPEN}' inside a longer text is not evaluated",
            place,
            "make the whole text one expression: \"{% 'text ' & $input.x %}\"",
        )
    return True


def read_expression(node: Scalar, path: str, report: Report) -> Expression:
    """The expression in a scalar that `is_expression`; what is wrong with it is reported."""
    from opscore.workflows import jsonata_tree

    text = node.text
    begin = text.index(OPEN) + len(OPEN)
    inner = text.rstrip()[begin : -len(CLOSE)]
    source = inner.strip()
    offset = begin + len(inner) - len(inner.lstrip())
    place = Place(path, node.line, node.column)
    exact = place.moved(node.indent + offset) if node.indent is not None else None
    if not report.may_parse(source, place):
        return Expression(source, (), place)
    try:
        tree = jsonata_tree.parse(source)
    except jsonata_tree.SyntaxFault as fault:
        at = exact.moved(max(fault.offset - 1, 0)) if exact and fault.offset is not None else place
        report.error(Code.EXPRESSION_SYNTAX, f"the expression is wrong: {fault}", at, fault.hint)
        return Expression(source, (), place)
    references = find_references(tree, source, exact, place, report)
    expression = Expression(source, references, place)
    if "%" in source and not _stays_in_results(expression):
        message = "the parent operator % leads out of a task's result"
        report.error(Code.EXPRESSION_SYNTAX, message, place)
    return expression


def _stays_in_results(expression: Expression) -> bool:
    """Whether it parses with variables in place of `$tasks.<id>`, which is a path of two steps."""
    from opscore.workflows import jsonata_tree

    try:
        jsonata_tree.parse(expression.rewritten(lambda _: "$result"))
    except jsonata_tree.SyntaxFault:
        return False
    return True
