"""What may stand in a judge template (its blocks: judge/template_file.py). Every fault is found before rendering."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from jinja2 import nodes

from judge.question import FILTERS, SIGNS

MOST_USES = 3
ONCE = ("conversation", "response_a", "response_b")
VARIABLES: Mapping[str, tuple[str, ...]] = {
    "system": (),
    "case": ONCE,
    "ruler": (),
    "question": ("principle",),
    "principle": ("question", "examples"),
    "options": ONCE,
    "direct": (),
    "reasoned": ("abstain",),
    "think": (),
}
MUST_SHOW = {"question": "principle", "principle": "question"}
NEEDED = ("case", "question", "principle")
EXAMPLE_FIELDS = ("prompt", "better", "worse")
_ALLOWED = (nodes.Output, nodes.TemplateData, nodes.Name, nodes.Filter, nodes.If, nodes.Not, nodes.For, nodes.Getattr)


class Fault(NamedTuple):
    """What is wrong in which line, and the text in it to point at."""

    line: int
    token: str
    said: str


def find_faults(tree: nodes.Template) -> Iterator[Fault]:
    """Every fault of a parsed template, in no order."""
    blocks = [node for node in tree.body if isinstance(node, nodes.Block)]
    for node in tree.body:
        if not isinstance(node, nodes.Block) and not _is_blank(node):
            yield Fault(node.lineno, "", "only blocks may stand at the top: nothing else is ever shown")
    for block in blocks:
        if block.name in VARIABLES:
            yield from _block_faults(block)
        else:
            yield Fault(block.lineno, block.name, f"unknown block `{block.name}`; there are: {', '.join(VARIABLES)}")
    names = [block.name for block in blocks]
    for name, blocks_so_called in Counter(names).items():
        if blocks_so_called > 1:
            line = [block.lineno for block in blocks if block.name == name][1]
            yield Fault(line, name, f"the block `{name}` stands {blocks_so_called} times")
    yield from (Fault(1, "", f"the block `{name}` is missing") for name in NEEDED if name not in names)
    yield from _placement_faults(tree)


def _is_blank(node: nodes.Node) -> bool:
    parts = node.nodes if isinstance(node, nodes.Output) else [node]
    return all(isinstance(part, nodes.TemplateData) and not part.data.strip() for part in parts)


def _placement_faults(tree: nodes.Template) -> Iterator[Fault]:
    """The untrusted texts stand once each, as they are: a filter would change their fences, a condition lose them."""
    plain = [
        part.name
        for block in tree.body
        if isinstance(block, nodes.Block)
        for node in block.body
        if isinstance(node, nodes.Output)
        for part in node.nodes
        if isinstance(part, nodes.Name)
    ]
    every = [node.name for node in tree.find_all(nodes.Name)]
    for name in ONCE:
        if not plain.count(name) == every.count(name) == 1:
            yield Fault(
                1,
                "",
                f"`{{{{ {name} }}}}` must stand exactly once, in `case` or `options`, without a filter or a condition "
                f"(found {every.count(name)} times)",
            )


def _block_faults(block: nodes.Block) -> Iterator[Fault]:
    own = VARIABLES[block.name]
    loops = {node.target.name for node in block.find_all(nodes.For) if isinstance(node.target, nodes.Name)}
    uses = Counter[str]()
    for node in _walk(block):
        yield from _node_faults(node)
        if isinstance(node, nodes.Name):
            uses[node.name] += 1
            if node.name not in (*own, *loops):
                there = ", ".join(own) or "nothing"
                said = f"`{node.name}` is not defined in the block `{block.name}`; defined: {there}"
                yield Fault(node.lineno, node.name, said)
    for name in own:
        if uses[name] > MOST_USES:
            said = f"`{name}` stands {uses[name]} times in the block `{block.name}`, more than {MOST_USES}"
            yield Fault(block.lineno, block.name, said)
    shown = MUST_SHOW.get(block.name)
    if shown and not uses[shown]:
        yield Fault(block.lineno, block.name, f"the block `{block.name}` must hold `{{{{ {shown} }}}}`")


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    """Every node below this one; nothing within one that is not allowed, which is fault enough."""
    for child in node.iter_child_nodes():
        yield child
        if isinstance(child, _ALLOWED):
            yield from _walk(child)


def _node_faults(node: nodes.Node) -> Iterator[Fault]:
    if not isinstance(node, _ALLOWED):
        what = SIGNS.get(type(node), f"`{type(node).__name__}`")
        token = getattr(node, "operator", None) or _TOKENS.get(type(node), "{")
        yield Fault(node.lineno, token, f"uses {what}: nothing can be computed in a judge template")
    elif isinstance(node, nodes.Filter) and (node.name not in FILTERS or node.args or node.kwargs):
        said = f"uses the filter `{node.name}`; allowed, without arguments, are: {', '.join(FILTERS)}"
        yield Fault(node.lineno, node.name, said)
    elif isinstance(node, nodes.If) and not isinstance(_positive(node.test), nodes.Name):
        yield Fault(node.lineno, "if", "a condition may only ask for one name, such as `abstain`")
    elif isinstance(node, nodes.For) and not _loops_over_examples(node):
        yield Fault(node.lineno, "for", "a loop may only be `for example in examples`, with no other loop in it")
    elif isinstance(node, nodes.Getattr) and not (isinstance(node.node, nodes.Name) and node.attr in EXAMPLE_FIELDS):
        said = f"`.{node.attr}` is not allowed; an example has {', '.join(EXAMPLE_FIELDS)}"
        yield Fault(node.lineno, f".{node.attr}", said)


def _positive(test: nodes.Node) -> nodes.Node:
    return test.node if isinstance(test, nodes.Not) else test


def _loops_over_examples(node: nodes.For) -> bool:
    over = isinstance(node.iter, nodes.Name) and node.iter.name == "examples" and isinstance(node.target, nodes.Name)
    plain = not (node.else_ or node.test or node.recursive)
    return over and plain and not any(inner.find(nodes.For) or isinstance(inner, nodes.For) for inner in node.body)


_TOKENS: Mapping[type[nodes.Node], str] = {nodes.Mul: "*", nodes.Pow: "**", nodes.Call: "(", nodes.Getitem: "["}
