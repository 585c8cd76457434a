"""What a model's chat template may cost: what could build gigabytes or loop for hours is refused before it is rendered.

transformers renders chat templates in jinja's sandbox, which keeps them from Python, but not from `{{ "a" * 10**9 }}`;
jinja works such constants out even while it compiles. So the parsed source is looked at: large numbers, powers, wide
formats and nested ranges have no place in a chat template. A template that hides its numbers can still be slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from jinja2 import TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from constitution.errors import ModelError

MOST_CHARS = 1_000_000
MOST_NUMBER = 10_000
"""Of a number in the source, of a product of constants, and of the characters that such a product repeats."""
MOST_ROUNDS = 100_000
"""Of ranges within each other; a range whose end is not a number in the source counts as MOST_NUMBER."""
WIDE = re.compile(r"%[-+ #0]*(\d+|\d*\.\d+)|\{[\w.\[\]]*(?:![ars])?:[^{}\d\"']*(\d+)")
"""Widths and precisions, of `%` and of str.format."""
DIGITS = 5


class _Generation(Extension):
    """The tag by which a template marks what the assistant wrote; its contents are what they are without it."""

    tags = {"generation"}  # noqa: RUF012  # as the base class declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def check_template(model: str, template: object) -> None:
    """Raises ModelError if this chat template, or one of several by their names, is none or could cost too much."""
    for source in template.values() if isinstance(template, dict) else [template]:
        if not isinstance(source, str) or len(source) > MOST_CHARS:
            raise ModelError(f"the chat template of `{model}` is no text of at most {MOST_CHARS:,} characters")
        try:
            fault = next(_faults(_environment().parse(source)), None)
        except TemplateSyntaxError as error:
            said = f"the chat template of `{model}` is no template (line {error.lineno}: {error.message})"
            raise ModelError(said) from error
        except RecursionError:
            raise ModelError(f"the chat template of `{model}` is nested too deep") from None
        if fault:
            raise ModelError(f"the chat template of `{model}` could use up memory or time: {fault}")


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    """As transformers reads chat templates."""
    extensions: list[type[Extension]] = [_Generation, loopcontrols]
    return ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)


def _faults(tree: nodes.Template) -> Iterator[str]:
    for node in tree.find_all(nodes.Node):
        if said := _fault(node):
            yield f"line {node.lineno} {said}"
    if _rounds(tree) > MOST_ROUNDS:
        yield f"its ranges within each other could go around more than {MOST_ROUNDS:,} times"


def _fault(node: nodes.Node) -> str | None:
    if isinstance(node, nodes.Pow):
        return "has a power"
    if isinstance(node, nodes.Const):
        return _constant_fault(node.value)
    if isinstance(node, nodes.Mul) and _size(node) > MOST_NUMBER:
        return f"has a product above {MOST_NUMBER:,}"
    if isinstance(node, nodes.Name) and node.name == "lipsum":
        return "makes up text"
    if isinstance(node, nodes.Filter) and node.name in ("int", "float") and isinstance(node.node, nodes.Const):
        return "makes a number of a text"
    return None


def _constant_fault(value: object) -> str | None:
    if isinstance(value, int | float) and abs(value) > MOST_NUMBER:
        return f"has a number above {MOST_NUMBER:,}"
    if isinstance(value, str) and any(len(n) >= DIGITS for found in WIDE.findall(value) for n in found):
        return "formats to more than 10,000 characters"
    return None


def _size(node: nodes.Node) -> float:
    """What a product of constants comes to; a text counts as its length, what is not constant as 1."""
    if isinstance(node, nodes.Mul):
        return _size(node.left) * _size(node.right)
    if isinstance(node, nodes.Const):
        return len(node.value) if isinstance(node.value, str) else max(1.0, abs(float(node.value or 0)))
    return float(len(node.items)) if isinstance(node, nodes.List | nodes.Tuple) else 1.0


def _rounds(node: nodes.Node) -> int:
    """How often the body of the innermost range goes around, at most, where ranges stand within each other."""
    inner = max((_rounds(child) for child in node.iter_child_nodes()), default=1)
    return inner * _range(node.iter) if isinstance(node, nodes.For) else inner


def _range(over: nodes.Node) -> int:
    """Rounds of a loop over range(); 1 for a loop over anything else, which is as long as the conversation."""
    call = next((c for c in [over, *over.find_all(nodes.Call)] if isinstance(c, nodes.Call)), None)
    if call is None or not (isinstance(call.node, nodes.Name) and call.node.name == "range"):
        return 1
    numbers = [arg.value for arg in call.args if isinstance(arg, nodes.Const) and isinstance(arg.value, int)]
    return max(1, *map(abs, numbers)) if len(numbers) == len(call.args) and numbers else MOST_NUMBER
