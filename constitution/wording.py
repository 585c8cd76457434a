"""The words of error messages about values: what was found, what was expected, and the one thing to do about it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as SequenceLike
from typing import TypeAlias

from constitution.nodes import Ambiguous, Mapping, Node, Scalar, Sequence
from constitution.places import Place, literals, models_at

LONGEST_QUOTE = 40

Closest: TypeAlias = Callable[[str, SequenceLike[str]], str | None]

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_TRUE, _FALSE = {"yes", "on", "true"}, {"no", "off", "false"}


def code(text: str) -> str:
    """`text` in backquotes, cut to a readable length."""
    short = text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + "…"
    return f"`{short}`"


def listed(names: SequenceLike[str]) -> str:
    """Names in backquotes, with commas."""
    return ", ".join(f"`{name}`" for name in names)


def plural(number: int, noun: str) -> str:
    """`1 item`, `2 items`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def first_sentence(description: str) -> str:
    """The first sentence of a field's docstring, without its full stop."""
    return " ".join(description.split()).partition(". ")[0].rstrip(".")


def found(node: Node | None) -> str:
    """What stands in the file, in a few words."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if not isinstance(node, Scalar) or (node.value is None and not node.source):
        return "nothing"
    if node.value is None:
        return f"{code(node.source)}, which means nothing"
    if isinstance(node.value, str):
        return f"the text {code(node.value)}" if node.value else "empty text"
    if isinstance(node.value, Ambiguous):
        return f"{code(node.source)}, which YAML may read as {node.value.reading}"
    return f"{code(node.source)}" if isinstance(node.value, bool) else f"the number {code(node.source)}"


def expected_in(kinds: SequenceLike[str]) -> str:
    """What was expected by an error of each of these kinds: `text or a list`; empty for other kinds."""
    return " or ".join(dict.fromkeys(_EXPECTED[kind] for kind in kinds if kind in _EXPECTED))


def wrong_type(kind: str, place: Place, closest: Closest, choices: SequenceLike[str] = ()) -> str | None:
    """The sentence for a value of the wrong kind; None if `kind` is not about that."""
    if kind in ("literal_error", "enum"):
        names = choices or literals(place.type)
        expected = f"one of {listed(names)}" if len(names) > 1 else listed(names)
        return f"expected {expected}, found {found(place.node)}{_choice_hint(place.node, names, closest)}"
    if kind not in _EXPECTED:
        return None
    if kind.startswith("model"):
        return f"expected {_EXPECTED[kind]}{_keys_hint(place)}, found {found(place.node)}"
    return f"expected {_EXPECTED[kind]}, found {found(place.node)}{_hint(kind, place)}"


def _choice_hint(node: Node | None, names: SequenceLike[str], closest: Closest) -> str:
    if not isinstance(node, Scalar) or node.value is None:
        return ""
    if node.source in names:
        return _quote_hint(node)
    meant = closest(node.source, names)
    return f"; did you mean `{meant}`?" if meant else ""


def _hint(kind: str, place: Place) -> str:
    """What to write instead, where that is certain."""
    node = place.node
    if not isinstance(node, Scalar) or node.source == "":
        return ""
    if kind == "string_type":
        return _quote_hint(node)
    word = node.source.casefold()
    if kind.startswith("bool") and word in _TRUE | _FALSE:
        quoted = " without quotes" if isinstance(node.value, str) else ""
        return f"; write {'true' if word in _TRUE else 'false'}{quoted}"
    if kind.startswith(("int", "float")) and isinstance(node.value, Ambiguous):
        return "; write a plain decimal number"
    if kind.startswith(("int", "float")) and isinstance(node.value, str) and _is_number(node.value):
        return "; take the quotes away"
    if kind in ("tuple_type", "list_type") and isinstance(node.value, str):
        return f"; a list is written in brackets: [{node.source}]" if len(node.source) <= LONGEST_QUOTE else ""
    return ""


def _quote_hint(node: Scalar) -> str:
    return f'; put it in quotes: "{node.source}"' if len(node.source) <= LONGEST_QUOTE else "; put it in quotes"


def _keys_hint(place: Place) -> str:
    """The keys that a mapping must have; of a union's members, those that all of them must."""
    required = [[n for n, field in m.model_fields.items() if field.is_required()] for m in models_at(place.type)]
    common = [name for name in (required or [[]])[0] if all(name in names for names in required)]
    return f" with the {'key' if len(common) == 1 else 'keys'} {listed(common)}" if common else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
