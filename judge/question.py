"""A principle's own question: a template in which nothing exists but `principle`, and nothing can be costly.

The sandbox keeps a template from reaching Python, but not from building a gigabyte of text ({{ 'a' * 10**9 }},
{{ principle|center(10**9) }}). So a question may hold text, `{{ principle }}` and a few harmless filters; every other
construct is refused before anything is rendered.
"""

from __future__ import annotations

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from constitution.errors import JudgeError
from constitution.model import Principle
from judge.untrusted import neutralise

FILTERS = ("capitalize", "lower", "title", "trim", "upper")
_ALLOWED = (nodes.Output, nodes.TemplateData, nodes.Name, nodes.Filter)
SIGNS = {nodes.Mul: "the operator `*`", nodes.Pow: "the operator `**`", nodes.Call: "a call", nodes.For: "a loop"}


def render_question(principle: Principle) -> str:
    """`principle.question` with the text filled in. Raises JudgeError naming the principle and what is not allowed."""
    assert principle.question is not None
    # The output is text for a model, not HTML.
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    try:
        tree = environment.parse(principle.question)
    except TemplateSyntaxError as error:
        raise _refused(principle, f"is not a template: {error.message}") from error
    for node in tree.find_all(nodes.Node):
        _check_node(principle, node)
    text = environment.from_string(principle.question).render(principle=neutralise(principle.text))
    if not text.strip():
        raise _refused(principle, "comes to nothing: no text is left of it")
    return text


def _check_node(principle: Principle, node: nodes.Node) -> None:
    if not isinstance(node, _ALLOWED):
        what = SIGNS.get(type(node), f"`{type(node).__name__}`")
        raise _refused(principle, f"uses {what}; only text and `{{{{ principle }}}}` are allowed")
    if isinstance(node, nodes.Name) and node.name != "principle":
        raise _refused(principle, f"uses `{node.name}`, but only `principle` is defined")
    if isinstance(node, nodes.Filter) and (node.name not in FILTERS or node.args or node.kwargs):
        raise _refused(
            principle, f"uses the filter `{node.name}`; allowed, without arguments, are: {', '.join(FILTERS)}"
        )


def _refused(principle: Principle, why: str) -> JudgeError:
    return JudgeError(f"principle `{principle.id}`: its question {why}")
